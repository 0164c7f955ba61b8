"""The disks of this machine, how full they are, and whether a bot may still work on them."""

from __future__ import annotations

import os
import sys
import time
from typing import Dict, Iterable, List, Optional, Tuple

MOUNTS_LAST_SECONDS = 300.0
BYTES_PER_MB = 1024 * 1024
# File systems on a disk of this machine. One that is on the network may hang whoever asks how full it is.
_DISK_TYPES = "apfs bcachefs btrfs exfat ext2 ext3 ext4 f2fs hfs jfs ntfs ntfs3 overlay reiserfs vfat xfs zfs"
LOCAL_TYPES = frozenset(_DISK_TYPES.split())

Disks = Dict[str, Dict[str, float]]  # {mount: {"free_mb": …, "size_mb": …}}


class DiskWatch:
    """Looks at the disks that hold a bot's folder, and at the others of the machine."""

    def __init__(self, work_folder: str) -> None:
        self._work_folder = os.path.realpath(work_folder)
        self._mounts: List[str] = []
        self._own: List[str] = []
        self._looked_at = float("-inf")

    def now(self) -> Disks:
        """How full each disk is; in MiB."""
        now = time.monotonic()
        if now - self._looked_at > MOUNTS_LAST_SECONDS:
            self._looked_at = now
            self._mounts, self._own = find_mounts(self._work_folder, _mounts_file())
        disks: Disks = {}
        for mount in self._mounts:
            try:
                usage = os.statvfs(mount)
            except OSError:
                continue
            free, size = usage.f_bavail * usage.f_frsize, usage.f_blocks * usage.f_frsize
            disks[mount] = {"free_mb": round(free / BYTES_PER_MB, 1), "size_mb": round(size / BYTES_PER_MB, 1)}
        return disks

    def too_full(self, disks: Disks, lowest_free_mb: float) -> Optional[str]:
        """Which of the disks that hold the bot's folder have too little room, in words; None if all have enough."""
        low = [mount for mount in self._own if mount in disks and disks[mount]["free_mb"] < lowest_free_mb]
        # Rounded, so that the words change seldom.
        parts = [f"{mount} has {disks[mount]['free_mb'] / 1024:.1f} GiB free" for mount in low]
        return f"Not enough free disk: {', '.join(parts)}, less than {lowest_free_mb / 1024:.1f} GiB" if parts else None


def find_mounts(work_folder: str, mounts: str) -> Tuple[List[str], List[str]]:
    """All disks worth telling of, and those of them that hold parts of the work folder.

    mounts: as in /proc/self/mounts, or empty where the system has no such thing.
    """
    local = _local_mounts(mounts)
    # The file system that holds the folder may be of any kind.
    holding = _holder(work_folder, [point for point, _ in _entries(mounts)])
    below = [point for point in local if _is_below(point, work_folder)]
    others = [point for point in local if not _is_below(point, "/boot")]
    everything = sorted({holding, *below, *others})
    return _different_disks(everything, first=holding), [holding, *(point for point in below if point != holding)]


def _different_disks(points: Iterable[str], first: str) -> List[str]:
    """One mount point for each disk: a container mounts one disk many times."""
    seen = {_device(first)}
    kept = [first]
    for point in points:
        device = _device(point)
        if device is not None and device not in seen:
            seen.add(device)
            kept.append(point)
    return sorted(kept)


def _local_mounts(mounts: str) -> List[str]:
    return [point for point, kind in _entries(mounts) if kind in LOCAL_TYPES and os.path.isdir(point)]


def _entries(mounts: str) -> List[Tuple[str, str]]:
    """(mount point, type) of each line; a point with a space in it is written with \\040."""
    fields = (line.split(" ") for line in mounts.splitlines())
    return [(each[1].replace("\\040", " "), each[2]) for each in fields if len(each) > 2]


def _holder(path: str, points: Iterable[str]) -> str:
    holding = [point for point in points if _is_below(path, point)]
    return max(holding, key=len) if holding else _mount_point(path)


def _mount_point(path: str) -> str:
    while path != os.path.dirname(path) and not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _is_below(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def _device(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def _mounts_file() -> str:
    if sys.platform != "linux":
        return ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
