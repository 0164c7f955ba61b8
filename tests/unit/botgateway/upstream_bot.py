"""What an unmodified upstream bot sends, as it was seen on the wire (bot-api.md)."""

import json
from typing import Any, Protocol
from uuid import uuid4

import httpx

from swarming_common.model.task_id import RunId
from tests.unit.botgateway.world import BASE, encoded

VERSION = "d7359da9" + "0" * 56
PROCESS = "b8fe7e91bc1b45d0a95adccab0b5024b/18764"
REASON = "Was terminated before completion"


class Server(Protocol):
    """Whatever answers bots."""

    http: httpx.AsyncClient


class UpstreamBot:
    """One process of it. Each call returns the answer as it came; `session` follows what answers carry."""

    def __init__(
        self, server: Server, bot_id: str = "bot1", process: str = "b8fe7e91bc1b45d0a95adccab0b5024b/18764"
    ) -> None:
        self.bot_id = bot_id
        self.session: str | None = None
        self.version = VERSION
        self.dimensions: dict[str, Any] = {
            "cores": ["2"],
            "cpu": ["x86", "x86-64"],
            "id": [bot_id],
            "os": ["Debian", "Debian-12", "Linux"],
            "pool": ["default"],
            "python": ["3", "3.11"],
        }
        self.state: dict[str, Any] = {
            "audio": None,
            "bot_config": {"name": None, "revision": None},
            "cost_usd_hour": 0.15,
            "cpu_name": "Some CPU",
            "cwd": "/b/s",
            "disks": {"/": {"free_mb": 100.5, "size_mb": 200.5}},
            "display_resolution": None,
            "env": {"PATH": "/bin"},
            "gpu": None,
            "hostname": "bot1.example.org",
            "ip": "10.0.0.7",
            "nb_files_in_temp": 3,
            "pid": 18764,
            "python": {"executable": "/usr/bin/python3", "packages": None, "version": "3.11.2"},
            "ram": 7950,
            "rbe_instance": None,
            "running_time": 1,
            "sleep_streak": 0,
            "ssd": [],
            "started_ts": 1.5e9,
            "uptime": 12345,
            "user": "swarming",
        }
        self._process = process
        self._http = server.http

    async def shake_hands(self) -> httpx.Response:
        answer = await self.call("handshake", {**self._attributes(), "session_id": self._process})
        body = answer.json()
        self.state["bot_config"] = {"name": body.get("bot_config_name"), "revision": body.get("bot_config_rev")}
        self.dimensions["bot_config"] = [body["bot_config_name"]]
        return answer

    async def poll(self, request_uuid: str | None = None) -> httpx.Response:
        about = {**self._attributes(), "session": self.session}
        return await self.call("poll", {**about, "request_uuid": request_uuid or str(uuid4())})

    async def event(self, event: str, message: str) -> httpx.Response:
        about = {**self._attributes(), "session": self.session}
        return await self.call("event", {**about, "event": event, "message": message})

    async def update(
        self, run: RunId, output: bytes | None = None, start: int | None = None, **more: Any
    ) -> httpx.Response:
        body = {**self._about(run), "cost_usd": 3.7e-05, **more}
        if output is not None:
            body["output"] = encoded(output)
        if start is not None:
            body["output_chunk_start"] = start
        return await self.call(f"task_update/{run}", body)

    async def end(self, run: RunId) -> httpx.Response:
        """The only update of a termination."""
        return await self.call(f"task_update/{run}", {**self._about(run), "duration": 0, "exit_code": 0})

    async def fail(
        self, run: RunId, message: str = "Was terminated before completion", **missing: Any
    ) -> httpx.Response:
        client_error = {"missing_cas": [], "missing_cipd": [], **missing}
        return await self.call(
            f"task_error/{run}", {**self._about(run), "client_error": client_error, "message": message}
        )

    async def call(self, path: str, body: Any) -> httpx.Response:
        headers = {
            "User-Agent": "swarming_bot/1.0.0@bot1",
            "X-Luci-Swarming-Bot-ID": self.bot_id,
            "Cookie": "GOOGAPPUID=137",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/json; charset=UTF-8",
        }
        answer = await self._http.post(f"{BASE}/{path}", content=json.dumps(body).encode(), headers=headers)
        if answer.status_code == 200:
            self.session = answer.json().get("session", self.session)
        return answer

    def _attributes(self) -> dict[str, Any]:
        return {"dimensions": self.dimensions, "state": self.state, "version": self.version}

    def _about(self, run: RunId) -> dict[str, Any]:
        return {"id": self.bot_id, "task_id": str(run), "session": self.session}


def said(answer: httpx.Response) -> Any:
    """The body of an answer that this bot takes for a success; it reads nothing but bare JSON that is not empty."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert "content-encoding" not in answer.headers
    assert answer.content
    return answer.json()


def types_of(value: Any) -> Any:
    """The value's shape: the same with each leaf's type in its place."""
    if isinstance(value, dict):
        return {key: types_of(one) for key, one in value.items()}
    if isinstance(value, list):
        return [types_of(one) for one in value]
    return type(value)
