"""The zips that a run fetches before it starts."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile

import pytest

from swarming_bot import inputs
from swarming_bot.errors import BadManifest, TaskAtFault
from swarming_bot.manifest import Input, parse_manifest
from tests.unit.bot.file_servers import fetch, zipped
from tests.unit.bot.scripted_server import a_manifest


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(inputs, "FIRST_PAUSE_SECONDS", 0.01)


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

    with pytest.raises(TaskAtFault, match="no place"):
        fetch(f"{files.url}/in.zip", task_folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_content_is_the_tasks_fault(files, task_folder, method):
    raw = zipped({"a": "0123456789" * 1000}, method=method)
    files.files["/in.zip"] = raw[:36] + b"\xff" * 12 + raw[48:]

    with pytest.raises(TaskAtFault, match="is no zip"):
        fetch(f"{files.url}/in.zip", task_folder)


def test_an_entry_that_claims_more_bytes_than_there_are_is_the_tasks_fault(files, task_folder):
    raw = bytearray(zipped({"a": "0123456789"}, method=zipfile.ZIP_STORED))
    sizes = raw.index(b"PK\1\2") + 20
    raw[sizes : sizes + 8] = (5000).to_bytes(4, "little") * 2
    files.files["/in.zip"] = bytes(raw)

    with pytest.raises(TaskAtFault, match="is no zip"):
        fetch(f"{files.url}/in.zip", task_folder)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 40)])
def test_a_name_that_no_disk_takes_is_the_tasks_fault(files, task_folder, name):
    files.files["/in.zip"] = zipped({name: "text"})

    with pytest.raises(TaskAtFault, match="no place"):
        fetch(f"{files.url}/in.zip", task_folder)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a b.zip",
        "http://127.0.0.1/a\tb",
        "http://127.0.0.1/\u00e9",
        "http://a..b/x",
        f"http://{'x' * 70}/",
    ],
)
def test_what_is_no_url_is_the_tasks_fault_at_once(task_folder, url):
    with pytest.raises(TaskAtFault, match="no proper URL"):
        fetch(url, task_folder)


def test_a_server_that_is_unwell_is_asked_again(files, task_folder):
    files.files["/in.zip"] = [503, 429, zipped({"a": "x"})]

    fetch(f"{files.url}/in.zip", task_folder)

    assert (task_folder / "a").exists()
    assert len(files.requests) == 3


def test_a_file_that_is_not_there_is_the_tasks_fault_at_once(files, task_folder):
    with pytest.raises(TaskAtFault, match="HTTP 404"):
        fetch(f"{files.url}/none.zip", task_folder)

    assert len(files.requests) == 1


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
