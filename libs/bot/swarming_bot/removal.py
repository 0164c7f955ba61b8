"""Remove the folder of a task, whatever the task did to it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import shutil
import stat
import struct
import subprocess
import sys
import time
from typing import List

log = logging.getLogger(__name__)

ATTEMPTS = 5
PAUSE_SECONDS = 0.05  # a process that was just killed may still be writing
# linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS; other numbers on mips, powerpc and sparc, which then know neither.
_GET_FLAGS = 0x80006601 | struct.calcsize("l") << 16
_SET_FLAGS = 0x40006602 | struct.calcsize("l") << 16
_UNCHANGEABLE = 0x10 | 0x20  # immutable, append only
_MNT_DETACH = 2  # linux/fs.h: out of sight at once, gone when nobody uses it


def remove_tree(path: str) -> bool:
    """Remove a folder, file or link; say whether it is gone. Nothing outside it is touched.

    It copes with folders that nobody may read or write, with trees too deep for recursion, and with what a task of root
    may do: files made immutable, and file systems mounted below the folder, which are unmounted, not emptied.
    """
    if not os.path.lexists(path):
        return True
    if not _unmount_below(path):
        return False
    for attempt in range(ATTEMPTS):
        try:
            shutil.rmtree(path)
            return True
        except FileNotFoundError:
            if not os.path.lexists(path):
                return True
        except NotADirectoryError:
            _unlink(path)
        except RecursionError:
            subprocess.run(["rm", "-rf", "--", path], stderr=subprocess.DEVNULL, check=False)
        except OSError:
            if os.path.islink(path):
                _unlink(path)
            else:
                _make_removable(path)
        if attempt:
            time.sleep(PAUSE_SECONDS)
    return not os.path.lexists(path)


def mounts_below(path: str, mounts: bytes) -> List[str]:
    """The mount points below a folder, the last mounted first; mounts: /proc/self/mounts."""
    below = os.path.join(os.path.realpath(path), "")
    points = [_unescaped(line.split(b" ")[1]) for line in mounts.splitlines() if line.count(b" ") >= 2]
    return [point for point in reversed(points) if os.path.join(point, "").startswith(below)]


def _unmount_below(path: str) -> bool:
    """Say whether no other file system is below the path; only root can have put one there."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return True
    points = _mounts_now(path)
    if not points:
        return True
    for point in points:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(point), _MNT_DETACH)
    left = _mounts_now(path)
    if left:
        log.error("folder_holds_mounts path=%s mounts=%s", path, left)
    return not left


def _mounts_now(path: str) -> List[str]:
    try:
        with open("/proc/self/mounts", "rb") as file:
            mounts = file.read()
    except OSError:
        return []
    # Almost always nobody mounted anything, and to see that takes no parsing.
    return mounts_below(path, mounts) if _escaped(os.path.basename(path)) in mounts else []


def _escaped(name: str) -> bytes:
    """As in /proc/self/mounts: what is odd in a name is written in octal."""
    return b"".join(b"\\%03o" % one if one in b" \t\n\\#" else bytes([one]) for one in os.fsencode(name))


def _unescaped(field: bytes) -> str:
    """Spaces and the like are written in octal, as \\040."""
    return os.fsdecode(field.decode("unicode_escape").encode("latin-1"))


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _make_removable(path: str) -> None:
    _allow_changes(path)
    for folder, names, files in os.walk(path):
        for name in names + files:
            _allow_changes(os.path.join(folder, name))


def _allow_changes(path: str) -> None:
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        if sys.platform == "linux" and os.geteuid() == 0 and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            _clear_attributes(path)
        if stat.S_ISDIR(mode):
            os.chmod(path, 0o700)


def _clear_attributes(path: str) -> None:
    """Take from a file what `chattr +i` and `+a` gave it, which only root can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        with contextlib.suppress(OSError):  # a file system without such attributes
            flags = bytearray(struct.calcsize("l"))  # as long as the request says, though an int is all that is used
            fcntl.ioctl(descriptor, _GET_FLAGS, flags)
            struct.pack_into("i", flags, 0, struct.unpack_from("i", flags)[0] & ~_UNCHANGEABLE)
            fcntl.ioctl(descriptor, _SET_FLAGS, flags)
    finally:
        os.close(descriptor)
