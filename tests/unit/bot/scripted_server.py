"""A server on loopback that speaks the bot protocol as a test scripts it, and records what it hears."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BASE_PATH = "/swarming/api/v1/bot/"
PATIENCE_SECONDS = 20.0  # a test that waits longer for something has failed
HOLD_SECONDS = 60.0  # of a poll: longer than any test is patient
RUN_ID = "7c2236638dbfed11"
DROP = object()  # in place of an answer: the request is heard, the connection is cut


@dataclass(frozen=True)
class Heard:
    """One request of the bot."""

    call: str  # "poll", "task_update", …
    body: dict[str, Any]
    headers: dict[str, str]
    connection: int  # the bot's port
    at: float

    @property
    def output(self) -> bytes:
        return base64.b64decode(self.body.get("output", ""))

    @property
    def is_final(self) -> bool:
        return "exit_code" in self.body


class ScriptedServer:
    """Answers a poll with the next of `commands`, or holds it; everything else as `answer` says."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self.handshake: dict[str, Any] = {"server_version": "1", "session": "sess-1"}
        self.answer: Callable[[Heard], Any] = lambda heard: None
        self._commands: deque[Any] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._host, self._scheme = f"[{host}]" if ":" in host else host, "http" if tls is None else "https"
        self._http = _Listener((host, 0), self, tls)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self._host}:{self.port}"

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def command(self, *replies: Any) -> None:
        """Answer the next polls with these."""
        with self._changed:
            self._commands.extend(replies)
            self._changed.notify_all()

    def run(self, *command: str, **manifest: Any) -> None:
        """Answer the next poll with a run."""
        self.command({"cmd": "run", "manifest": a_manifest(*command, **manifest)})

    def calls(self, call: str) -> list[Heard]:
        with self._changed:
            return [heard for heard in self.heard if heard.call == call]

    def updates(self) -> list[Heard]:
        return self.calls("task_update")

    def wait_for(self, predicate: Callable[[Heard], bool], count: int = 1) -> Heard:
        """The first (or count-th) request that matches, once it is there."""

        def found() -> Heard | None:
            matching = [heard for heard in self.heard if predicate(heard)]
            return matching[count - 1] if len(matching) >= count else None

        with self._changed:
            self._changed.wait_for(found, PATIENCE_SECONDS)
            result = found()
        assert result is not None, f"not heard within {PATIENCE_SECONDS} s; heard: {self.summary()}"
        return result

    def wait_for_call(self, call: str, count: int = 1) -> Heard:
        return self.wait_for(lambda heard: heard.call == call, count)

    def wait_for_final(self) -> Heard:
        return self.wait_for(lambda heard: heard.is_final)

    def output(self) -> bytes:
        """The output by offset, as a server would store it; holes show as NULs."""
        stored = bytearray()
        for heard in self.updates():
            if "output" in heard.body:
                start = heard.body["output_chunk_start"]
                stored.extend(b"\0" * (start - len(stored)))
                stored[start : start + len(heard.output)] = heard.output
        return bytes(stored)

    def summary(self) -> list[str]:
        return [f"{heard.call} {sorted(heard.body)}" for heard in self.heard]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._http.shutdown()
        self._http.cut_all()
        self._http.server_close()
        self._thread.join()

    def reply_to(self, heard: Heard) -> Any:
        """What to answer: (status, body), or DROP."""
        with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()
        scripted = self.answer(heard)
        if scripted is DROP or isinstance(scripted, tuple):
            return scripted
        if scripted is not None:
            return 200, scripted
        if heard.call == "handshake":
            return 200, self.handshake
        if heard.call == "poll":
            return self._next_command()
        if heard.call == "task_update":
            return 200, {"must_stop": False, "ok": True, "session": "sess-1"}
        return 200, {}

    def _next_command(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self._closed, HOLD_SECONDS)
            reply = self._commands.popleft() if self._commands else {"cmd": "sleep", "duration": 0}
        return reply if reply is DROP or isinstance(reply, tuple) else (200, reply)


def a_manifest(*command: str, **changes: Any) -> dict[str, Any]:
    """What a poll's run carries; only what matters to a test is given."""
    manifest = {
        "bot_id": "bot1",
        "bot_dimensions": {"id": ["bot1"], "pool": ["default"]},
        "command": list(command),
        "dimensions": {"pool": ["default"]},
        "env": {},
        "env_prefixes": {},
        "grace_period": 30,
        "hard_timeout": 60,
        "io_timeout": 60,
        "relative_cwd": None,
        "task_id": RUN_ID,
    }
    return {**manifest, **changes}


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], script: ScriptedServer, tls: ssl.SSLContext | None) -> None:
        self.script = script
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a bot that is interrupted cuts its connection

    def cut_all(self) -> None:
        for request in list(self._open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is gone already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = self.path[len(BASE_PATH) :].partition("/")[0]
        heard = Heard(call, json.loads(body), dict(self.headers), self.client_address[1], time.monotonic())
        reply = self.server.script.reply_to(heard)
        if reply is DROP:
            self.close_connection = True
            return
        status, answer = reply
        raw = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        pass
