"""Named caches: lent to a run, taken back, counted and trimmed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from swarming_bot.caches import CacheLimits, KnownCache, NamedCaches, folder_bytes, to_trim
from swarming_bot.errors import BadManifest, TaskAtFault
from swarming_bot.manifest import CacheWish, parse_manifest
from tests.unit.bot.scripted_server import RUN_ID, a_manifest

NO_LIMITS = CacheLimits(total_bytes=0, count=0, age_seconds=0, free_disk_bytes=0)
GIT = CacheWish("git", "src/git", 0)
PIP = CacheWish("pip", "pip", 0)


@pytest.fixture
def caches(tmp_path) -> NamedCaches:
    return NamedCaches(str(tmp_path / "caches"), NO_LIMITS)


@pytest.fixture
def task_folder(tmp_path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return folder


def known(name: str, size: int, used_at: float) -> KnownCache:
    return KnownCache(name, f"/caches/{name}", size, used_at)


def names(caches: list[KnownCache]) -> list[str]:
    return [one.name for one in caches]


def limits(**changes: float) -> CacheLimits:
    return CacheLimits(**{**vars(NO_LIMITS), **changes})


def test_what_one_run_leaves_in_a_cache_the_next_one_finds(caches, task_folder):
    caches.lend([GIT], str(task_folder))
    (task_folder / "src/git/pack").write_text("objects")
    caches.take_back(str(task_folder))
    held = list(task_folder.rglob("pack"))

    caches.lend([CacheWish("git", "elsewhere", 0)], str(task_folder))

    assert held == []
    assert (task_folder / "elsewhere/pack").read_text() == "objects"


def test_caches_outlive_the_bot_that_has_them(caches, task_folder, tmp_path):
    caches.lend([PIP, GIT], str(task_folder))
    (task_folder / "pip/wheel").write_bytes(b"x" * 1000)
    caches.take_back(str(task_folder))
    caches.tidy()

    again = NamedCaches(str(tmp_path / "caches"), limits(total_bytes=999))
    before = again.names
    again.tidy()

    assert before == ["git", "pip"]
    assert again.names == ["git"]  # pip was counted, and is too large


def test_a_cache_that_was_out_when_the_bot_was_killed_starts_anew(caches, task_folder, tmp_path):
    caches.lend([GIT], str(task_folder))
    caches.take_back(str(task_folder))
    caches.lend([GIT], str(task_folder))

    again = NamedCaches(str(tmp_path / "caches"), NO_LIMITS)

    assert again.names == []
    assert list((tmp_path / "caches").iterdir()) == []


def test_a_cache_that_the_task_replaced_by_a_link_leads_nowhere(caches, task_folder, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    caches.lend([GIT, PIP], str(task_folder))
    os.rmdir(task_folder / "pip")
    os.symlink(treasure, task_folder / "pip")
    os.rename(task_folder / "src", task_folder / "moved")
    os.symlink(tmp_path, task_folder / "src")
    (tmp_path / "git").mkdir()

    caches.take_back(str(task_folder))

    assert caches.names == []
    assert treasure.exists()
    assert (tmp_path / "git").exists()


def test_a_cache_whose_permissions_were_taken_away_comes_back(caches, task_folder):
    caches.lend([PIP], str(task_folder))
    (task_folder / "pip").chmod(0)

    caches.take_back(str(task_folder))

    assert caches.names == ["pip"]


def test_a_cache_that_cannot_be_noted_is_kept_as_long_as_its_bot_lives(caches, task_folder, tmp_path, caplog):
    caches.lend([PIP], str(task_folder))
    caches.take_back(str(task_folder))
    [note] = (tmp_path / "caches").glob("*/cache.json")
    note.unlink()
    note.mkdir()  # as a full disk would, it takes no writing

    caches.tidy()

    assert caches.names == ["pip"]
    assert "cache_not_noted name=pip" in caplog.text


def test_what_happens_to_caches_after_a_run_does_not_change_its_outcome(server, start_bots, tmp_path):
    hooks = "import os, shutil\ndef on_after_task(bot): shutil.rmtree(os.path.join(bot.base_dir, 'caches'))\n"
    server.run("true", caches=[{"name": "a", "path": "x"}])

    start_bots(hooks=hooks)
    server.wait_for_call("poll", 2)

    assert server.calls("event") == []
    assert len(server.calls("handshake")) == 1


def test_a_cache_is_not_lent_over_something_else(caches, task_folder):
    (task_folder / "pip").write_text("a file")

    with pytest.raises(TaskAtFault, match="'pip'"):
        caches.lend([GIT, PIP], str(task_folder))
    caches.take_back(str(task_folder))

    assert caches.names == ["git"]
    assert (task_folder / "pip").read_text() == "a file"


def test_the_oldest_go_first_when_there_are_too_many_or_too_much():
    three = [known("new", 10, 30), known("old", 10, 10), known("middle", 10, 20)]

    assert names(to_trim(three, limits(count=2), now=40, free_bytes=0)) == ["old"]
    assert names(to_trim(three, limits(total_bytes=15), now=40, free_bytes=0)) == ["old", "middle"]
    assert names(to_trim(three, NO_LIMITS, now=40, free_bytes=0)) == []


def test_what_is_too_old_goes_and_what_the_disk_needs():
    three = [known("new", 10, 30), known("old", 10, 10), known("middle", 10, 20)]

    assert names(to_trim(three, limits(age_seconds=15), now=40, free_bytes=0)) == ["old", "middle"]
    full = limits(free_disk_bytes=100)
    assert names(to_trim(three, full, now=40, free_bytes=85)) == ["old", "middle"]
    assert names(to_trim(three, full, now=40, free_bytes=85, in_use=["old", "new"])) == ["middle"]


@pytest.mark.parametrize(
    "caches",
    [
        {"git": "src"},
        ["git"],
        [{"name": "", "path": "a"}],
        [{"name": "a", "path": "../b"}],
    ],
)
def test_caches_that_make_no_sense_are_refused(caches):
    with pytest.raises(BadManifest, match="caches"):
        parse_manifest(a_manifest("true", caches=caches))


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ([CacheWish("a", "", 0)], "below the task's folder"),
        ([CacheWish("a", "x", 0), CacheWish("a", "y", 0)], "different names"),
        ([CacheWish("a", "x/y", 0), CacheWish("b", "x", 0)], "separate paths"),
        ([CacheWish("a", "x", 0), CacheWish("b", "x/y", 0)], "separate paths"),
        ([CacheWish("a", "file/a", 0)], "no place at"),
        ([CacheWish("a", "file/a/b", 0)], "no place at"),
        ([CacheWish("a", "x" * 300, 0)], "no place at"),
    ],
)
def test_a_place_where_no_cache_can_be_is_the_tasks_fault(caches, task_folder, wishes, complaint):
    (task_folder / "file").touch()

    with pytest.raises(TaskAtFault, match=complaint):
        caches.lend(wishes, str(task_folder))


def test_a_task_whose_caches_cannot_be_ends_with_an_explanation(server, start_bots):
    server.run("true", caches=[{"name": "a", "path": "x"}, {"name": "b", "path": "x/y"}])

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 1
    assert b"separate paths" in final.output


def test_the_next_task_finds_what_the_last_one_cached_and_the_server_hears_of_it(server, start_bots, tmp_path):
    cache = {"name": "build", "path": "deep/cache", "hint": "1000"}
    server.run("sh", "-c", "echo kept > cache/file; chmod 500 cache", caches=[cache], relative_cwd="deep")
    server.run("cat", "again/file", caches=[{**cache, "path": "again"}], task_id=f"{RUN_ID[:-2]}21")

    start_bots()
    server.wait_for(lambda heard: heard.is_final, 2)
    server.wait_for_call("poll", 3)

    first, second = (heard for heard in server.updates() if heard.is_final)
    assert second.output == b"kept\n"
    assert set(first.body["named_caches_stats"]) == {"install", "uninstall"}
    assert server.calls("poll")[1].body["dimensions"]["caches"] == ["build"]
    assert not list((tmp_path / "work").rglob("runs/*"))


def test_a_task_may_start_inside_its_cache(server, start_bots):
    server.run("pwd", caches=[{"name": "a", "path": "x/y"}], relative_cwd="x/y/z")

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 0
    assert server.output().endswith(b"/task/x/y/z\n")


def test_a_cache_has_the_size_that_it_takes_on_the_disk(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(60 * 1024**3)
        file.write(b"x" * 4096)
    (tmp_path / "large").write_bytes(os.urandom(1024 * 1024))
    for number in range(600):
        os.link(tmp_path / "large", tmp_path / f"link{number}")

    size = folder_bytes(str(tmp_path))

    assert 1024 * 1024 <= size < 2 * 1024 * 1024
