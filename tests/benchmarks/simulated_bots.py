"""Bots that cost little to simulate, so that what is measured is the server: thousands in one process."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, cast
from urllib.parse import urlsplit

BASE = "/swarming/api/v1/bot"
RETRY_SECONDS = 1.0
LONGEST_SLEEP_SECONDS = 60.0

STATE: dict[str, Any] = {
    "audio": None,
    "bot_config": {"name": "bot_config.py", "revision": "0"},
    "bot_code": {"updates": False},
    "cost_usd_hour": 0.15,
    "cpu_name": "Some processor of some maker at 2.20 GHz",
    "cwd": "/b/s",
    "disks": {f"/mnt/{number}": {"free_mb": 100_000.5, "size_mb": 200_000.5} for number in range(8)},
    "env": {f"VARIABLE_{number}": "/usr/local/share/of/some/length" * 2 for number in range(24)},
    "gpu": None,
    "ip": "10.0.0.7",
    "nb_files_in_temp": 3,
    "python": {"executable": "/usr/bin/python3", "packages": ["one==1.0", "two==2.0"] * 20, "version": "3.11.2"},
    "ram": 7950,
    "running_time": 1,
    "sleep_streak": 0,
    "ssd": [],
    "started_ts": 1.5e9,
    "uptime": 12345,
    "user": "swarming",
}
"""With it a poll has about 3 kB, as polls of real bots do."""

UPSTREAM_STATE = {key: value for key, value in STATE.items() if key != "bot_code"}
"""The same of a bot that is not our own, whose polls are held for a shorter time."""

Heard = Callable[[str], None]


def _ignore(run_id: str) -> None:
    del run_id


class SimulatedBot(asyncio.Protocol):
    """Shakes hands, polls without end, and reports each run as done at once; on one connection that it keeps."""

    def __init__(
        self, bot_id: str, pools: Sequence[str], host: str, on_run: Heard, on_done: Heard, is_upstream: bool = False
    ) -> None:
        """Told the run's id in the moment in which it has come, and when its end is acknowledged."""
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the handshake is answered."""
        self.polls = 0
        """How many were answered."""
        self.failures = 0
        """How often the server could not; then the same is sent again a little later."""
        self._bot_id = bot_id
        self._host = host
        self._on_run, self._on_done = on_run, on_done
        self._run_id = ""
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._numbers = count(1)
        self._session = ""
        self._is_polling = False
        self._word: dict[str, Any] = {
            "dimensions": {
                "cores": ["8"],
                "cpu": ["x86", "x86-64"],
                "gpu": ["none"],
                "id": [bot_id],
                "kernel": ["6", "6.1"],
                "os": ["Debian", "Debian-12", "Linux"],
                "pool": list(pools),
                "python": ["3", "3.11"],
            },
            "state": UPSTREAM_STATE if is_upstream else STATE,
            "version": "0" * 64,
        }
        self._poll = self._request = b""

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    # --- the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shake_hands()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.connected.done():
            self.connected.set_exception(error or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_length = self._received.find(b"\r\n\r\n")
        if head_length < 0:
            return
        head = bytes(self._received[:head_length]).lower()
        _, _, rest = head.partition(b"content-length:")
        length, start = int(rest.split(b"\r\n", 1)[0]), head_length + 4
        if len(self._received) < start + length:
            return
        body = bytes(self._received[start : start + length])
        del self._received[: start + length]
        if head.startswith(b"http/1.1 200"):
            self._read(body)
        elif head.startswith(b"http/1.1 5"):
            self.failures += 1
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._transport.write, self._request)
        else:
            raise RuntimeError(f"{self._bot_id}: {head!r} {body!r}")

    # --- what a bot does

    def _read(self, body: bytes) -> None:
        if not self._session:
            self._begin(json.loads(body)["session"])
        elif not self._is_polling:
            self._on_done(self._run_id)
            self._send_poll()
        else:
            self._obey(body)

    def _begin(self, session: str) -> None:
        self._session = session
        uuid_last = {**self._word, "session": session, "request_uuid": ""}
        self._poll = json.dumps(uuid_last, separators=(",", ":")).encode()[: -len(b'"}')]
        if not self.connected.done():
            self.connected.set_result(None)
        self._send_poll()

    def _obey(self, body: bytes) -> None:
        self.polls += 1
        self._is_polling = False
        if body.startswith(b'{"cmd":"sleep","duration":0.0,'):
            self._send_poll()
            return
        answer = json.loads(body)
        if answer["cmd"] == "run":
            self._run_id = answer["manifest"]["task_id"]
            self._on_run(self._run_id)
            self._report(self._run_id)
        elif answer["cmd"] == "sleep":
            seconds = min(answer["duration"], LONGEST_SLEEP_SECONDS)
            asyncio.get_running_loop().call_later(seconds, self._send_poll)
        else:
            self._session = ""
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._shake_hands)

    def _shake_hands(self) -> None:
        self._send("handshake", json.dumps({**self._word, "session_id": f"{self._bot_id}/1"}).encode())

    def _send_poll(self) -> None:
        self._is_polling = True
        self._send("poll", self._poll + f'{next(self._numbers):032x}"}}'.encode())

    def _report(self, run_id: str) -> None:
        done = {"id": self._bot_id, "task_id": run_id, "session": self._session, "cost_usd": 0.0001}
        ended = {"exit_code": 0, "duration": 0.1, "bot_overhead": 0.1, "output": "ZG9uZQo=", "output_chunk_start": 0}
        self._send(f"task_update/{run_id}", json.dumps(done | ended).encode())

    def _send(self, path: str, body: bytes) -> None:
        head = (
            f"POST {BASE}/{path} HTTP/1.1\r\nHost: {self._host}\r\nUser-Agent: swarming_bot/1.0.0@{self._bot_id}\r\n"
            f"Accept-Encoding: gzip, deflate\r\nX-Luci-Swarming-Bot-ID: {self._bot_id}\r\n"
            f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._transport.write(self._request)


async def start_bots(
    url: str,
    ids: list[str],
    pools: Sequence[str],
    seconds: float,
    *,
    on_run: Heard = _ignore,
    on_done: Heard = _ignore,
    are_upstream: bool = False,
) -> list[SimulatedBot]:
    """One bot for each id, connected one after the other over this time; returns when all have shaken hands."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    began = loop.time()
    bots: list[SimulatedBot] = []
    for number, bot_id in enumerate(ids):
        await asyncio.sleep(began + seconds * number / len(ids) - loop.time())
        connecting: Awaitable[tuple[Any, SimulatedBot]] = loop.create_connection(
            lambda bot_id=bot_id: SimulatedBot(bot_id, pools, address.netloc, on_run, on_done, are_upstream),  # type: ignore[misc]
            str(address.hostname),
            address.port or 80,
        )
        bots.append((await connecting)[1])
    await asyncio.gather(*(bot.connected for bot in bots))
    return bots
