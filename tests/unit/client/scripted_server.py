"""A Swarming server on loopback that answers what a test scripted, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE = "/api/swarming/v1/"
TASK = "7c2236638dbfed10"


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any

    def number(self, name: str) -> float:
        return float(self.query[name][0])


@dataclass(frozen=True)
class Answer:
    """An answer other than 200 with a JSON object; status 0 closes the connection without one."""

    status: int
    body: Any = None
    content_type: str = "application/json"


LOST = Answer(0)
Scripted = dict[str, Any] | Answer | Callable[[Asked], Any]


@dataclass
class ScriptedServer:
    """Answers each path with what was scripted for it, in turn; the last answer stays."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    scripts: dict[str, list[Scripted]] = field(default_factory=dict)

    def script(self, path: str, *answers: Scripted) -> None:
        self.scripts[path] = list(answers)

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    def answer(self, asked: Asked) -> Any:
        self.asked.append(asked)
        answers = self.scripts.get(asked.path)
        if not answers:
            return Answer(404, {"error": {"message": f"nothing is scripted for {asked.path}"}})
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(asked) if callable(answer) else answer


def a_result(state: str = "COMPLETED", **fields: Any) -> dict[str, Any]:
    """A TaskResult of the wire."""
    result = {"task_id": TASK, "state": state, "name": "hello", "created_ts": "2026-11-23T17:08:19.627608"}
    return result | ({"exit_code": "0", "bot_id": "bot1"} if state == "COMPLETED" else {}) | fields


def an_output(text: str, next_offset: int, state: str = "RUNNING") -> dict[str, Any]:
    """A TaskOutput of a server that holds its answers."""
    return (
        {"output": text, "next_offset": str(next_offset), "state": state}
        if text
        else {
            "next_offset": str(next_offset),
            "state": state,
        }
    )


def a_finished_task(server: ScriptedServer, output: str = "42\n", **result: Any) -> None:
    """Script a task that is submitted, prints and ends."""
    size, final = len(output.encode()), a_result(**result)
    server.script("tasks/new", {"task_id": TASK, "request": {"name": "hello", "priority": "100"}})
    server.script(
        f"task/{TASK}/stdout",
        lambda asked: an_output(output if asked.number("offset") == 0 else "", size, final["state"]),
    )
    server.script(f"task/{TASK}/result", final)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Serve on a free port while entered."""
    scripted = ScriptedServer()
    http = _Loopback(("127.0.0.1", 0), _handler_for(scripted))
    scripted.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield scripted
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Loopback(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a held answer of a client that is gone must not hold up the test

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the tests."""


def _handler_for(scripted: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests print nothing."""

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_json = self.headers.get("Content-Type") == "application/json"
            asked = Asked(
                self.command,
                parts.path.removeprefix(BASE),
                parse_qs(parts.query),
                json.loads(body) if is_json else body or None,
            )
            answer = scripted.answer(asked)
            self._send(answer if isinstance(answer, Answer) else Answer(200, answer))

        def _send(self, answer: Answer) -> None:
            if not answer.status:
                self.close_connection = True
                return
            content = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            self.wfile.write(content.encode())

    return Handler
