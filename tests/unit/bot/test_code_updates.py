"""A bot that runs from a zip is told to update: fetch, check, trial, and what it says when that fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from swarming_bot.code_folder import GOOD, CodeFolder
from swarming_bot.code_updates import MOST_ATTEMPTS, CodeUpdates, UpdateFailed
from swarming_bot.supervisor_link import PROVEN, SupervisorLink
from swarming_common.bot_code.archive import MAIN, pack, version_of

FINE = """
import sys
from version import zip_version
assert sys.argv[1:] == ["self_check"]
print("checked")
print(zip_version(sys.argv[0]))
"""
VERSION_SOURCE = (Path(__file__).parents[3] / "libs/bot/swarming_bot/version.py").read_bytes()


def a_zip(main: str = FINE) -> bytes:
    return pack({MAIN: main.encode(), "version.py": VERSION_SOURCE})


def the_version(main: str = FINE) -> str:
    return version_of({MAIN: main.encode(), "version.py": VERSION_SOURCE})


class CodeServer:
    """Answers `bot_code/…` with what is set, and remembers the headers."""

    def __init__(self) -> None:
        self.status, self.body, self.cut = 200, b"", 0
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers.append(dict(self.headers))
                if self.path.endswith("/moved"):
                    self.send_response(302)
                    self.send_header("Location", "/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body[: len(outer.body) - outer.cut])
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def code() -> Iterator[CodeServer]:
    server = CodeServer()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> CodeFolder:
    (tmp_path / GOOD).write_bytes(a_zip("old"))
    folder = CodeFolder(str(tmp_path))
    folder.settle()
    return folder


@pytest.fixture
def lines() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def updates(folder: CodeFolder, code: CodeServer, lines: tuple[socket.socket, socket.socket]) -> CodeUpdates:
    return CodeUpdates(folder, code.url, SupervisorLink(lines[1]))


def trouble(prepare: Callable[[str, str], None], version: str) -> str:
    with pytest.raises(UpdateFailed) as failed:
        prepare(version, "")
    return str(failed.value)


def test_code_that_passes_its_check_is_put_on_trial(updates, folder, code):
    code.body = a_zip()

    updates.prepare(the_version(), "Authorization: Bearer x\r\nX-Other: y\r\n")

    note = folder.note()
    assert (note.version, note.is_on_trial) == (the_version(), True)
    assert code.headers[0]["Authorization"] == "Bearer x"
    assert code.headers[0]["X-Other"] == "y"


def test_a_redirect_is_followed(updates, folder, code):
    code.body = a_zip()

    assert "what the server sent as moved is" in trouble(updates.prepare, "moved")
    assert len(code.headers) == 2


def test_what_is_not_the_version_that_was_asked_for_is_never_started(updates, folder, code):
    code.body = a_zip()

    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert f"what the server sent as {'0' * 64} is {the_version()}" in trouble(updates.prepare, "0" * 64)
        assert (folder.note().rejected == "0" * 64) == (attempt == MOST_ATTEMPTS)
    assert not folder.note().is_on_trial


def test_a_truncated_zip_is_never_started(updates, folder, code):
    code.body = a_zip()[:-20]

    assert "not a whole zip" in trouble(updates.prepare, the_version())
    assert folder.note().version == the_version("old")


@pytest.mark.parametrize("how", ["cut", "503"])
def test_a_server_that_is_not_well_is_no_fault_of_the_version(updates, folder, code, how):
    code.body, code.cut, code.status = a_zip(), 100 if how == "cut" else 0, 503 if how == "503" else 200

    for _ in range(MOST_ATTEMPTS + 1):
        trouble(updates.prepare, the_version())

    assert updates.describe() == {"updates": True}


def test_a_version_that_the_server_does_not_have_is_given_up_after_a_few_attempts(updates, code):
    code.status, code.body = 404, b'{"error": "version: expected one that this server has served"}'

    for _ in range(MOST_ATTEMPTS):
        assert "HTTP 404" in trouble(updates.prepare, the_version())

    assert updates.describe()["rejected"] == the_version()


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ("raise RuntimeError('not on this machine')", "its self-check ended with 1"),
        ("import os; os._exit(4)", "its self-check ended with 4"),
        ("print('something else')", "its self-check says another version: something else"),
    ],
)
def test_code_that_fails_its_check_is_rejected_at_once(updates, folder, code, main, said):
    code.body = a_zip(main)

    assert said in trouble(updates.prepare, the_version(main))

    word = updates.describe()
    assert (word["rejected"], said in word["reason"]) == (the_version(main), True)
    assert folder.note().version == the_version("old")


def test_an_answered_poll_proves_the_code_once(updates, folder, code, lines):
    code.body = a_zip()
    updates.prepare(the_version(), "")

    updates.prove()
    updates.prove()

    assert lines[0].recv(16) == PROVEN
    assert not folder.note().is_on_trial
    assert folder.note().good == the_version()


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>log in</html>"), (403, b"<html>no</html>"), (407, b""), (413, b""), (401, b"{}")]
)
def test_an_answer_that_is_not_the_server_s_is_no_fault_of_the_version(updates, code, status, body):
    code.status, code.body = status, body

    for _ in range(MOST_ATTEMPTS + 1):
        trouble(updates.prepare, the_version())

    assert "rejected" not in updates.describe()
