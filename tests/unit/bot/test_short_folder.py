"""A Unix socket can be bound below a task's folders, whatever the bot's home and id."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from swarming_bot.short_folder import LONGEST_FOLDER_BYTES, RUN_BYTES, runs_folder
from swarming_bot.work_folder import WorkFolder

RUN_ID = "7c2236638dbfed11"
SOCKET_PATH_BYTES = 103  # on macOS; Linux takes 107


@pytest.mark.parametrize("length", [1, 128])
def test_a_socket_can_be_bound_below_the_folders_of_a_task(tmp_path, length):
    home = tmp_path / ("a long home folder " * 5)
    folder = WorkFolder(str(home / ("b" * length)))
    folder.take()
    try:
        for name in ("task", "tmp"):
            path = os.path.join(folder.run_folder(RUN_ID), name)
            os.makedirs(path)
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(os.path.join(path, "a-name-of-thirty-six-characters.sock"))
        assert folder.sweep()
    finally:
        folder.release()
    assert not os.path.exists(runs_folder(str(home / ("b" * length))) + "/" + RUN_ID)


def test_forty_bytes_are_left_for_the_name(tmp_path):
    short = runs_folder(a_folder(tmp_path, "x" * 200))

    assert len(short) + RUN_BYTES + 1 + 36 <= SOCKET_PATH_BYTES
    assert len(short) <= LONGEST_FOLDER_BYTES
    os.rmdir(short)


def test_a_short_folder_is_used_as_it_is():
    assert runs_folder("/b/s") == "/b/s/runs"


def test_another_bot_has_another_folder_and_the_same_bot_the_same(tmp_path):
    one, again, other = (runs_folder(a_folder(tmp_path, name * 100)) for name in "xxy")

    assert one == again != other
    for path in (one, other):
        os.rmdir(path)


def test_what_somebody_else_put_there_is_not_used(tmp_path):
    folder = a_folder(tmp_path, "x" * 100)
    taken = runs_folder(folder)
    os.rmdir(taken)
    os.symlink(tmp_path, taken)
    try:
        assert runs_folder(folder) != taken
    finally:
        os.unlink(taken)
        shutil.rmtree(runs_folder(folder))


def a_folder(above: Path, name: str) -> str:
    (above / name).mkdir(exist_ok=True)
    return str(above / name)
