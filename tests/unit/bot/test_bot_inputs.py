"""The zips that a run fetches before it starts."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from swarming_bot import inputs
from swarming_bot.errors import BadManifest, BotError, Interrupted, TaskAtFault
from swarming_bot.inputs import fetch_and_unpack
from swarming_bot.manifest import Input, parse_manifest
from tests.unit.bot.scripted_server import a_manifest


class FileServer:
    """Serves files from memory; a list of answers is served one after the other, a number is a status."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.requests: list[str] = []
        serving = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serving.requests.append(self.path)
                answer = serving.files.get(self.path, 404)
                if isinstance(answer, list):
                    answer = answer.pop(0)
                self.send_response(answer if isinstance(answer, int) else 200)
                body = b"" if isinstance(answer, int) else answer
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def files() -> Iterator[FileServer]:
    one = FileServer()
    yield one
    one.close()


@pytest.fixture
def task_folder(tmp_path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(inputs, "FIRST_PAUSE_SECONDS", 0.01)


def zipped(content: dict[str, str], modes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def fetch(url: str, folder: Path, sha256: str | None = None) -> None:
    fetch_and_unpack(Input(url, "in.zip", sha256), str(folder), str(folder.parent / "scratch.zip"), lambda: True)


def test_a_zip_is_unpacked_with_its_folders_and_modes(files, task_folder):
    raw = zipped({"bin/tool": "run", "data/": "", "a/b.txt": "text"}, {"bin/tool": stat.S_IFREG | 0o755})
    files.files["/in.zip"] = raw

    fetch(f"{files.url}/in.zip", task_folder, hashlib.sha256(raw).hexdigest())

    assert (task_folder / "a/b.txt").read_text() == "text"
    assert os.access(task_folder / "bin/tool", os.X_OK)
    assert (task_folder / "data").is_dir()
    assert not (task_folder.parent / "scratch.zip").exists()


def test_a_later_zip_replaces_files_of_an_earlier_one(files, task_folder):
    files.files.update({"/1": zipped({"a": "first", "b": "kept"}), "/2": zipped({"a": "second"})})

    fetch(f"{files.url}/1", task_folder)
    fetch(f"{files.url}/2", task_folder)

    assert (task_folder / "a").read_text() == "second"
    assert (task_folder / "b").read_text() == "kept"


def test_other_bytes_than_were_asked_for_are_refused(files, task_folder):
    files.files["/in.zip"] = zipped({"a": "x"})

    with pytest.raises(TaskAtFault, match="sha256"):
        fetch(f"{files.url}/in.zip", task_folder, "0" * 64)

    assert list(task_folder.iterdir()) == []
    assert len(files.requests) == 1


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/out", "..\\out", "\\out"])
def test_a_zip_that_reaches_outside_is_refused_before_anything_is_written(files, task_folder, name):
    files.files["/in.zip"] = zipped({"good": "x", name: "bad"})

    with pytest.raises(TaskAtFault, match="outside"):
        fetch(f"{files.url}/in.zip", task_folder)

    assert list(task_folder.parent.rglob("*out*")) == []
    assert list(task_folder.iterdir()) == []


def test_a_zip_with_a_link_is_refused(files, task_folder):
    files.files["/in.zip"] = zipped({"link": "/etc"}, {"link": stat.S_IFLNK | 0o777})

    with pytest.raises(TaskAtFault, match="neither a file nor a folder"):
        fetch(f"{files.url}/in.zip", task_folder)


@pytest.mark.parametrize("raw", [b"", b"no zip at all", zipped({"a": "x" * 100})[:-30]])
def test_what_is_no_zip_is_the_tasks_fault(files, task_folder, raw):
    files.files["/in.zip"] = raw

    with pytest.raises(TaskAtFault, match="is no zip"):
        fetch(f"{files.url}/in.zip", task_folder)


def test_a_file_where_a_folder_is_wanted_is_the_tasks_fault(files, task_folder):
    files.files["/in.zip"] = zipped({"a": "file", "a/b": "x"})

    with pytest.raises(TaskAtFault, match="a folder is wanted"):
        fetch(f"{files.url}/in.zip", task_folder)


def test_a_server_that_is_unwell_is_asked_again(files, task_folder):
    files.files["/in.zip"] = [503, 429, zipped({"a": "x"})]

    fetch(f"{files.url}/in.zip", task_folder)

    assert (task_folder / "a").exists()
    assert len(files.requests) == 3


def test_a_file_that_is_not_there_is_the_tasks_fault_at_once(files, task_folder):
    with pytest.raises(TaskAtFault, match="HTTP 404"):
        fetch(f"{files.url}/none.zip", task_folder)

    assert len(files.requests) == 1


def test_a_server_that_cannot_be_reached_is_not_the_tasks_fault(files, task_folder):
    files.files["/in.zip"] = [503] * 5

    with pytest.raises(BotError, match="cannot fetch") as raised:
        fetch(f"{files.url}/in.zip", task_folder)

    assert not isinstance(raised.value, TaskAtFault)


def test_a_run_that_is_not_wanted_any_more_stops_fetching(files, task_folder):
    files.files["/in.zip"] = zipped({"a": "x"})

    with pytest.raises(Interrupted):
        fetch_and_unpack(
            Input(f"{files.url}/in.zip", "in", None), str(task_folder), f"{task_folder}.zip", lambda: False
        )


@pytest.mark.parametrize(
    "data",
    [
        {"url": "file"},
        [["http://host/a.zip"]],
        [["http://host/a.zip", 1]],
        [["file:///etc/passwd", "a.zip"]],
        [["http://host/a.zip#sha256=12", "a.zip"]],
        [["http://host/a.zip#md5=12", "a.zip"]],
    ],
)
def test_data_that_makes_no_sense_is_refused(data):
    with pytest.raises(BadManifest, match="data"):
        parse_manifest(a_manifest("true", data=data))


def test_a_digest_is_the_fragment_of_the_url():
    manifest = parse_manifest(a_manifest("true", data=[["https://host/a.zip?x=1#sha256=" + "AB" * 32, "a.zip"]]))

    assert manifest.inputs == [Input("https://host/a.zip?x=1", "a.zip", "ab" * 32)]


def test_a_task_finds_its_inputs(server, start_bots, files):
    files.files["/in.zip"] = zipped({"sub/hello": "world"})
    server.run("cat", "hello", data=[[f"{files.url}/in.zip", "in.zip"]], relative_cwd="sub")

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 0
    assert server.output() == b"world"


def test_a_task_without_its_inputs_ends_with_an_explanation_and_the_bot_goes_on(server, start_bots, files):
    server.run("true", data=[[f"{files.url}/none.zip", "none.zip"]])
    server.run("true")

    start_bots()
    final = server.wait_for_final()
    server.wait_for(lambda heard: heard.is_final, 2)

    assert final.body["exit_code"] == 1
    assert b"none.zip" in final.output
    assert b"HTTP 404" in final.output


def test_a_task_canceled_while_its_inputs_are_fetched_is_never_started(
    server, start_bots, files, monkeypatch, tmp_path
):
    monkeypatch.setattr("swarming_bot.heartbeats.PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(inputs, "FIRST_PAUSE_SECONDS", 5)
    files.files["/in.zip"] = [503] * 5
    updates = []

    def answer(heard):
        if heard.call == "task_update":
            updates.append(heard)
            return {"ok": True, "must_stop": len(updates) > 1}
        return None

    server.answer = answer
    server.run("touch", str(tmp_path / "started"), data=[[f"{files.url}/in.zip", "in.zip"]])

    start_bots()
    server.wait_for(lambda heard: heard.body.get("canceled") is True)
    server.wait_for_call("poll", 2)

    assert not (tmp_path / "started").exists()
