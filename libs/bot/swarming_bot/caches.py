"""Named caches: folders that tasks leave for later tasks of the same bot.

A cache is lent to a run by renaming its folder into the run's, and taken back the same way, so it costs nothing to
lend a large one, and no two runs ever share one. A run whose bot is killed takes its caches with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import stat
import time
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional

from swarming_bot.errors import TaskAtFault
from swarming_bot.manifest import CacheWish
from swarming_bot.path_trouble import is_path_trouble
from swarming_bot.removal import remove_tree

log = logging.getLogger(__name__)

CONTENT = "content"
NOTE = "cache.json"
BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own blocks are


@dataclass(frozen=True)
class CacheLimits:
    """How much a bot keeps; the caches that were used longest ago go first. 0 is no limit."""

    total_bytes: int
    count: int
    age_seconds: float  # since the last use
    free_disk_bytes: int  # what caches leave free of the disk


@dataclass(frozen=True)
class KnownCache:
    """A cache that waits for its next run."""

    name: str
    folder: str
    size_bytes: int
    used_at: float  # Unix seconds


def to_trim(
    caches: Iterable[KnownCache], limits: CacheLimits, now: float, free_bytes: int, in_use: Iterable[str] = ()
) -> List[KnownCache]:
    """Which caches have to go; those in use never. now: Unix seconds, free_bytes: of the disk they are on."""
    spared = set(in_use)
    kept = sorted((one for one in caches if one.name not in spared), key=lambda one: one.used_at)
    gone: List[KnownCache] = []
    total = sum(one.size_bytes for one in kept)
    for one in kept:
        too_old = limits.age_seconds and now - one.used_at > limits.age_seconds
        too_many = limits.count and len(kept) - len(gone) > limits.count
        too_large = limits.total_bytes and total > limits.total_bytes
        too_full = limits.free_disk_bytes and free_bytes < limits.free_disk_bytes
        if too_old or too_many or too_large or too_full:
            gone.append(one)
            total -= one.size_bytes
            free_bytes += one.size_bytes
    return gone


class NamedCaches:
    """The caches of one bot; used by its thread alone."""

    def __init__(self, folder: str, limits: CacheLimits) -> None:
        self._folder = folder
        self.limits = limits
        self._known: Optional[Dict[str, KnownCache]] = None
        self._lent: List[CacheWish] = []
        self._unmeasured: List[str] = []

    @property
    def names(self) -> List[str]:
        """The caches there are, sorted."""
        return sorted(self._load())

    def lend(self, wishes: Iterable[CacheWish], task_folder: str) -> None:
        """Put the caches where the run wants them, empty ones where there is none yet.

        Raises TaskAtFault when a place is no place for a cache, or something else is there already.
        """
        wishes = list(wishes)
        _check_places(wishes)
        known = self._load()
        missing = [one for one in wishes if one.name not in known]
        expected = sum(one.expected_bytes for one in missing)
        self.trim(in_use=[one.name for one in wishes], extra_free_bytes=expected)
        for wish in wishes:
            try:
                self._lend_one(wish, os.path.join(task_folder, wish.path))
            except OSError as error:
                if not is_path_trouble(error):
                    raise
                raise TaskAtFault(f"cache {wish.name!r}: no place at {wish.path!r}: {error.strerror}") from error

    def take_back(self, task_folder: str) -> None:
        """Keep what a run left in its caches; one that the run replaced by a link or a file starts anew."""
        lent, self._lent = self._lent, []
        for wish in lent:
            path = os.path.join(task_folder, wish.path)
            # A task may have put a link in its way, too: what that leads to is not the run's.
            if _is_real_folder(path) and _is_inside(path, task_folder):
                try:
                    self._take_back_one(wish.name, path)
                except OSError as error:
                    log.warning("cache_lost name=%s error=%s", wish.name, error)

    def tidy(self) -> None:
        """Count the bytes of what was taken back, and remove what is over the limits. May take seconds."""
        known = self._load()
        names, self._unmeasured = self._unmeasured, []
        for name in names:
            one = known[name]
            self._note(KnownCache(name, one.folder, folder_bytes(os.path.join(one.folder, CONTENT)), one.used_at))
        self.trim()

    def trim(self, in_use: Iterable[str] = (), extra_free_bytes: int = 0) -> None:
        """Remove what is over the limits. extra_free_bytes: wanted free on top of them."""
        known = self._load()
        if not known:
            return
        limits = self.limits
        if extra_free_bytes:
            free = limits.free_disk_bytes + extra_free_bytes
            limits = CacheLimits(limits.total_bytes, limits.count, limits.age_seconds, free)
        free_bytes = shutil.disk_usage(self._folder).free
        for one in to_trim(known.values(), limits, time.time(), free_bytes, in_use):
            log.info("cache_trimmed name=%s bytes=%d", one.name, one.size_bytes)
            del known[one.name]
            remove_tree(one.folder)

    def _lend_one(self, wish: CacheWish, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(path)  # an empty folder, which an input or relative_cwd may have made
        if os.path.lexists(path):
            raise TaskAtFault(f"cache {wish.name!r}: something is at {wish.path!r} already")
        one = self._load().pop(wish.name, None)
        if one is not None:
            try:
                os.rename(os.path.join(one.folder, CONTENT), path)
            except OSError as error:
                log.warning("cache_lost name=%s error=%s", wish.name, error)
                remove_tree(one.folder)
        if not os.path.lexists(path):
            os.mkdir(path)
        self._lent.append(wish)

    def _take_back_one(self, name: str, path: str) -> None:
        folder = os.path.join(self._folder, hashlib.sha256(name.encode()).hexdigest()[:32])
        os.makedirs(folder, exist_ok=True)
        remove_tree(os.path.join(folder, CONTENT))
        os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) | 0o700)  # to move a folder is to write to it
        os.rename(path, os.path.join(folder, CONTENT))
        self._note(KnownCache(name, folder, 0, time.time()))
        self._unmeasured.append(name)

    def _note(self, one: KnownCache) -> None:
        self._load()[one.name] = one
        try:
            with open(os.path.join(one.folder, NOTE), "w", encoding="utf-8") as file:
                json.dump({"name": one.name, "size_bytes": one.size_bytes, "used_at": one.used_at}, file)
        except OSError as error:  # a full disk: this process knows the cache all the same
            log.warning("cache_not_noted name=%s error=%s", one.name, error)

    def _load(self) -> Dict[str, KnownCache]:
        """What is there, read once. What makes no sense, as after a crash, is removed."""
        if self._known is None:
            self._known = {}
            for folder in _folders_in(self._folder):
                one = _read_note(folder)
                if one is not None and _is_real_folder(os.path.join(folder, CONTENT)):
                    self._known[one.name] = one
                else:
                    remove_tree(folder)
        return self._known


def _check_places(wishes: List[CacheWish]) -> None:
    for number, one in enumerate(wishes):
        if not one.path:
            raise TaskAtFault(f"cache {one.name!r}: expected a path below the task's folder")
        for other in wishes[:number]:
            if one.name == other.name or os.path.commonpath([one.path, other.path]) in (one.path, other.path):
                raise TaskAtFault(f"caches: expected different names and separate paths, got {other} and {one}")


def folder_bytes(path: str) -> int:
    """What a folder takes on the disk: a sparse file takes what was written of it, and hard links take it once."""
    total = 0
    linked = set()
    for folder, _, files in os.walk(path):
        for name in files:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(folder, name))
                if found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in linked:
                        continue
                    linked.add((found.st_dev, found.st_ino))
                total += found.st_blocks * BLOCK_BYTES
    return total


def _is_real_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _is_inside(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(folder), ""))


def _folders_in(path: str) -> List[str]:
    try:
        return [os.path.join(path, name) for name in os.listdir(path)]
    except FileNotFoundError:
        return []


def _read_note(folder: str) -> Optional[KnownCache]:
    try:
        with open(os.path.join(folder, NOTE), encoding="utf-8") as file:
            note = json.load(file)
        return KnownCache(str(note["name"]), folder, int(note["size_bytes"]), float(note["used_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
