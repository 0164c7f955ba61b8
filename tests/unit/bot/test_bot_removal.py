"""The folder of a task goes, whatever the task did to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from swarming_bot.removal import mounts_below, remove_tree


def test_a_tree_is_removed_whatever_its_permissions(tmp_path):
    inner = tmp_path / "tree" / "locked" / "deeper"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    inner.chmod(0)
    inner.parent.chmod(0o500)

    assert remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


@pytest.mark.skipif(shutil.which("chattr") is None, reason="the system has no such attributes")
def test_what_a_task_of_root_made_immutable_is_removed_and_nothing_else_is_changed(tmp_path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "inner").mkdir(parents=True)
    for file in (tree / "inner" / "file", tree / "inner" / "log", outside):
        file.write_text("x")
    (tree / "inner" / "link").symlink_to(outside)
    # Where we may not, or the file system cannot, these are files as any other.
    run("chattr", "+a", tree / "inner" / "log")
    run("chattr", "+i", tree / "inner" / "file", tree / "inner", tree, outside)
    before = run("lsattr", outside)

    is_gone = remove_tree(str(tree))
    after = run("lsattr", outside)
    run("chattr", "-i", "-a", outside, *tree.rglob("*"))

    assert is_gone
    assert not tree.exists()
    assert after == before


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


def test_what_links_lead_to_stays(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (tmp_path / "tree").mkdir()
    os.symlink(outside, tmp_path / "tree" / "link")
    os.symlink(outside, tmp_path / "top")

    assert remove_tree(str(tmp_path / "tree"))
    assert remove_tree(str(tmp_path / "top"))

    assert outside.stat().st_mode & 0o777 == 0o500
    assert not os.path.lexists(tmp_path / "top")


def test_files_sockets_and_odd_names_go_too(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "pipe")
    (tree / "new\nline").write_text("x")
    with open(os.path.join(os.fsencode(tree), b"\xff\xfe"), "w"):
        pass
    (tmp_path / "file").write_text("x")

    assert remove_tree(str(tree))
    assert remove_tree(str(tmp_path / "file"))
    assert remove_tree(str(tmp_path / "never there"))


def test_a_tree_deeper_than_python_recurses_is_removed(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.getcwd()
    os.chdir(tree)
    try:
        for _ in range(1050):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)

    assert remove_tree(str(tree))


def test_mounts_below_a_folder_are_told_from_others(tmp_path):
    below = f"{tmp_path}/a b"
    mounts = f"x / ext4 rw\nx {tmp_path}-not ext4 rw\nx {tmp_path}/a\\040b ext4 rw\nx {tmp_path}/a\\040b/c tmpfs rw\n"

    assert mounts_below(str(tmp_path), mounts.encode()) == [f"{below}/c", below]


def test_what_a_task_mounted_into_its_folder_is_unmounted_and_not_emptied(tmp_path):
    precious, tree = tmp_path / "precious", tmp_path / "tree"
    precious.mkdir()
    (tree / "mounted").mkdir(parents=True)
    (precious / "file").write_text("x")
    # Mostly only root may mount; where we may not, a task may not either, and this is a tree as any other.
    subprocess.run(["mount", "--bind", str(precious), str(tree / "mounted")], stderr=subprocess.DEVNULL, check=False)

    assert remove_tree(str(tree))

    assert (precious / "file").read_text() == "x"
    assert not tree.exists()
