"""A TCP proxy whose connections can be dropped on command; run as a program by proxy.py.

Arguments: the port to listen on, host and port to connect to, and `amqp` to note what clients declare. Each line of
standard input is a command, answered by a line of JSON. Ends with its standard input.
"""

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator

Command = Callable[..., Awaitable[object]]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

# The frames of AMQP 0-9-1, see section 2.3 of its specification.
_PROTOCOL_HEADER = b"AMQP"
_PROTOCOL_HEADER_SIZE = 8
_FRAME_HEADER_SIZE, _FRAME_END_SIZE = 7, 1
_METHOD_FRAME = 1
# Class and method; then a name, after two reserved bytes in what clients send.
_NAMES = {
    b"\x00\x28\x00\x0a": ("exchange", 6),  # exchange.declare
    b"\x00\x32\x00\x0a": ("queue", 6),  # queue.declare
    b"\x00\x32\x00\x0b": ("queue", 4),  # queue.declare-ok: the broker may have chosen the name
}


class Proxy:
    """Joins each connection that comes in with one of its own to the server."""

    def __init__(self, port: int, server: tuple[str, int], *, is_amqp: bool) -> None:
        self._port = port
        self._is_amqp = is_amqp
        self._declared: set[tuple[str, str]] = set()
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def resume(self) -> int:
        """Accept connections and pass on what comes."""
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        return 0

    async def refuse(self) -> int:
        """Drop all connections and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        return await self.cut()

    async def cut(self) -> int:
        """Drop all connections, as a firewall does: with a reset. New ones are accepted."""
        dropped = len(self._writers) // 2
        for writer in list(self._writers):
            _reset(writer)
        self._writers.clear()
        return dropped

    async def freeze(self) -> int:
        """Pass nothing on any more, with all connections left open, as a lost network does."""
        self._flowing.clear()
        return 0

    async def aim(self, host: str, port: str) -> None:
        """Lead new connections there."""
        self._server = (host, int(port))

    async def declared(self) -> list[tuple[str, str]]:
        """What clients declared since this was last asked: kinds and names."""
        declared = sorted(self._declared)
        self._declared.clear()
        return declared

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server)
        except OSError:
            _reset(writer)
            return
        both = {writer, server_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))
        except OSError:
            for one in both:
                _reset(one)
        finally:
            self._writers -= both
            for one in both:
                one.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names = DeclaredNames()
        while data := await reader.read(65536):
            await self._flowing.wait()
            if self._is_amqp:
                self._declared.update(names.read(data))
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    endpoint = writer.get_extra_info("socket")
    if endpoint is not None and endpoint.fileno() >= 0:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


class DeclaredNames:
    """Reads in passing which queues and exchanges are declared in one direction of an AMQP connection."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._to_skip = 0

    def read(self, data: bytes) -> Iterator[tuple[str, str]]:
        """What the data declares, as ("queue" or "exchange", name); the default exchange has no name."""
        self._unread += data
        while frame := self._next_frame():
            kind, start = _NAMES.get(frame[:4], ("", 0))
            if kind and (length := frame[start]):
                yield kind, frame[start + 1 : start + 1 + length].decode()

    def _next_frame(self) -> bytes | None:
        """The payload of the next method frame that is there as a whole."""
        while True:
            skipped = min(self._to_skip, len(self._unread))
            del self._unread[:skipped]
            self._to_skip -= skipped
            if self._to_skip or len(self._unread) < _FRAME_HEADER_SIZE:
                return None
            if self._unread.startswith(_PROTOCOL_HEADER):
                self._to_skip = _PROTOCOL_HEADER_SIZE
                continue
            size = int.from_bytes(self._unread[3:7], "big")
            if self._unread[0] != _METHOD_FRAME:
                self._to_skip = _FRAME_HEADER_SIZE + size + _FRAME_END_SIZE
                continue
            if len(self._unread) < _FRAME_HEADER_SIZE + size:
                return None
            self._to_skip = _FRAME_HEADER_SIZE + size + _FRAME_END_SIZE
            return bytes(self._unread[_FRAME_HEADER_SIZE : _FRAME_HEADER_SIZE + size])


async def serve(port: int, server: tuple[str, int], *, is_amqp: bool) -> None:
    """Obey the commands on standard input until it ends."""
    proxy = Proxy(port, server, is_amqp=is_amqp)
    commands: dict[str, Command] = {
        "cut": proxy.cut,
        "refuse": proxy.refuse,
        "resume": proxy.resume,
        "freeze": proxy.freeze,
        "aim": proxy.aim,
        "declared": proxy.declared,
    }
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode():
        command, *arguments = line.split()
        print(json.dumps(await commands[command](*arguments)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])), is_amqp="amqp" in sys.argv[4:]))
