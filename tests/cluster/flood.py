"""Submits very many tasks through the API: as cheaply as a client can, over many connections."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

CONNECTIONS = 64


async def submit(ports: Sequence[int], body: dict[str, Any], count: int, connections: int = CONNECTIONS) -> None:
    """Have the frontends at these ports accept so many tasks. Raises RuntimeError when one is refused."""
    message = _message(body)
    numbers = iter(range(count))
    await asyncio.gather(*(_submit(ports[one % len(ports)], message, numbers) for one in range(connections)))


def _message(body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        "POST /api/swarming/v1/tasks/new HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def _submit(port: int, message: bytes, numbers: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in numbers:
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        answer = await reader.readexactly(length)
        if " 200 " not in lines[0]:
            raise RuntimeError(f"{lines[0]}: {answer!r}")
    writer.close()
    await writer.wait_closed()
