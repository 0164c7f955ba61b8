"""Writes and reads of the bot that fail, on /dev/full and on limits of this process's files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from swarming_bot.disk_failure import FULL, probe_disk
from swarming_bot.download import Download
from swarming_bot.errors import DiskFailure
from swarming_bot.output import LARGEST_CHUNK_BYTES, MEMORY_BYTES, Output
from tests.unit.bot.file_servers import FileServer
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, ScriptedServer


def test_an_input_that_does_not_fit_on_the_disk_is_a_failure_of_the_disk(files: FileServer):
    files.files["/in.zip"] = b"content"

    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(DiskFailure, match=FULL):
        Download(f"{files.url}/in.zip", full).wait(lambda: True)


def test_a_disk_that_takes_what_it_should_is_fine_and_keeps_nothing_of_the_probe(tmp_path: Path):
    assert probe_disk(str(tmp_path)) is None
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_gone_is_told(tmp_path: Path):
    assert "cannot be written" in str(probe_disk(str(tmp_path / "missing")))


def test_output_that_cannot_be_read_any_more_raises_and_is_given_up_for_good(tmp_path: Path):
    output = Output(str(tmp_path))
    output.append(b"x" * (MEMORY_BYTES + LARGEST_CHUNK_BYTES))
    cut_kept_output(0)

    with pytest.raises(OSError, match="cannot be read"):
        output.next_chunk()
    output.drop_unsent()

    assert (output.unsent, output.next_chunk()[1]) == (0, b"")
    output.close()


def test_a_run_whose_output_cannot_be_read_any_more_fails_by_the_disk_and_the_server_hears_of_it(
    server: ScriptedServer, start_bots, tmp_path: Path
):
    start_bots()
    is_cut = threading.Event()

    def answer(heard):
        if heard.output and not is_cut.is_set():  # the server is slow, so output goes to the disk meanwhile
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not cut_kept_output(0, least=2 * MEMORY_BYTES) and time.monotonic() < deadline:
                pass
            is_cut.set()

    server.answer = answer
    server.run("sh", "-c", f"head -c {2 * MEMORY_BYTES} /dev/zero; sleep 60")

    error = server.wait_for_call("task_error")

    assert error.body["message"] == "the bot's disk fails"
    assert error.body["try_elsewhere"] is True
    server.wait_for_call("poll", 2)
    assert len(server.updates()) < 100


def cut_kept_output(size: int, least: int = MEMORY_BYTES) -> bool:
    """What a disk may do to a file: this process has one deleted file open, of at least so many bytes."""
    is_cut = False
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        try:
            if "(deleted)" in os.readlink(path) and os.stat(path).st_size >= least:
                os.truncate(path, size)
                is_cut = True
        except FileNotFoundError:  # closed meanwhile
            pass
    return is_cut


LIMITED = """
import resource, signal, sys
from swarming_bot.output import Output
from swarming_bot.undelivered import Undelivered
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
output = Output(sys.argv[1])
output.append(b"x" * 1_000_000)
try:
    Undelivered(sys.argv[1] + "/undelivered").keep("run", None, {}, None, output)
except OSError as error:
    print("not kept")
"""


def test_a_report_that_cannot_be_kept_leaves_nothing_that_would_keep_the_disk_full(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], stdout=subprocess.PIPE, text=True, check=True)

    assert done.stdout == "not kept\n"
    assert os.listdir(tmp_path) == []
