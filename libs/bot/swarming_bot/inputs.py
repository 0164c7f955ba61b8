"""Fetch the zips that a run asks for, and unpack them into its folder."""

from __future__ import annotations

import contextlib
import errno
import http.client
import logging
import os
import shutil
import stat
import time
import urllib.error
import zipfile
import zlib
from typing import Callable, Tuple, Type

from swarming_bot.download import Download
from swarming_bot.errors import InputsNotFetched, Interrupted, TaskAtFault
from swarming_bot.manifest import Input
from swarming_bot.path_trouble import is_path_trouble

log = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5  # doubled after each failed attempt
PIECE_BYTES = 1024 * 1024
RESERVE_BYTES = 256 * 1024 * 1024  # of the disk, left free by what is unpacked


def _errors_of_lzma() -> Tuple[Type[Exception], ...]:
    try:
        import lzma
    except ImportError:  # Python may be built without it; then zipfile says that it cannot do this
        return ()
    return (lzma.LZMAError,)


# What zipfile and what it decompresses with raise for damaged content; bz2 raises an OSError without a number.
_BAD_ZIP: Tuple[Type[Exception], ...] = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, *_errors_of_lzma(),
    EOFError, LookupError, NotImplementedError, OverflowError, RuntimeError, ValueError,
)  # fmt: skip


def fetch_and_unpack(
    wanted: Input, task_folder: str, scratch: str, goes_on: Callable[[], bool], until: float = float("inf")
) -> None:
    """Put the files of one zip into the task's folder; files that are there already are replaced.

    scratch: a file name for the zip, which does not outlive the call.
    goes_on: asked now and then; Interrupted is raised once it says no.
    until: monotonic seconds; what is not fetched by then is given up.
    Raises TaskAtFault when the task named something that is not there or not right, InputsNotFetched when nobody can
    tell whose fault it is that it cannot be had, BotError or OSError when the machine failed.
    """
    try:
        _fetch(wanted, scratch, goes_on, until)
        _unpack(wanted, scratch, task_folder, goes_on)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)


def _fetch(wanted: Input, path: str, goes_on: Callable[[], bool], until: float) -> None:
    def goes_on_in_time() -> bool:
        if time.monotonic() >= until:
            raise _not_fetched(wanted, "it took as long as the task itself may")
        return goes_on()

    pause = FIRST_PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with open(path, "wb") as file:
                found = Download(wanted.url, file).wait(goes_on_in_time)
        except (OSError, http.client.HTTPException, ValueError) as error:
            _check_is_passing(wanted, error)
            if attempt == ATTEMPTS:
                raise _not_fetched(wanted, str(error)) from error
            log.info("input_failed url=%s attempt=%d error=%s", wanted.url, attempt, error)
        else:
            # Other bytes than were asked for stay other bytes: no second attempt.
            if wanted.sha256 is not None and found != wanted.sha256:
                raise TaskAtFault(f"data {wanted.name!r}: {wanted.url} has the sha256 {found}, not {wanted.sha256}")
            return
        _sleep(pause, goes_on_in_time)
        pause *= 2


def _not_fetched(wanted: Input, why: str) -> InputsNotFetched:
    message = f"data {wanted.name!r}: cannot fetch {wanted.url}: {why}"
    return InputsNotFetched(message, {"unreachable_data": [{"url": wanted.url}]})


def _check_is_passing(wanted: Input, error: Exception) -> None:
    """Raise TaskAtFault for what another attempt would not mend."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code < 500 and error.code not in (408, 429):
            raise TaskAtFault(f"data {wanted.name!r}: {wanted.url}: HTTP {error.code}") from error
    if isinstance(error, (http.client.InvalidURL, ValueError)):
        raise TaskAtFault(f"data {wanted.name!r}: {wanted.url!r} is no proper URL: {error}") from error


def _sleep(seconds: float, goes_on: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not goes_on():
            raise Interrupted
        time.sleep(min(0.1, max(0.0, until - time.monotonic())))


def _unpack(wanted: Input, path: str, task_folder: str, goes_on: Callable[[], bool]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                _check(entry)
            size = sum(entry.file_size for entry in entries)
            if size > shutil.disk_usage(task_folder).free - RESERVE_BYTES:
                raise TaskAtFault(f"data {wanted.name!r}: {size} bytes unpacked do not fit on the disk")
            for entry in entries:
                _extract(archive, entry, task_folder, goes_on)
    except _BAD_ZIP as error:
        raise _no_zip(wanted, error) from error
    except OSError as error:
        if is_path_trouble(error):
            raise TaskAtFault(f"data {wanted.name!r}: no place for a file of {wanted.url}: {error}") from error
        if error.errno in (None, errno.EINVAL):  # the latter for an offset that no file can have
            raise _no_zip(wanted, error) from error
        raise


def _no_zip(wanted: Input, error: Exception) -> TaskAtFault:
    return TaskAtFault(f"data {wanted.name!r}: {wanted.url} is no zip that can be unpacked: {error}")


def _check(entry: zipfile.ZipInfo) -> None:
    """Nothing is written outside the task's folder, and no link is made that a later file could pass through."""
    parts = entry.filename.replace("\\", "/").split("/")
    if entry.filename.startswith(("/", "\\")) or os.pardir in parts or "\0" in entry.filename:
        raise ValueError(f"it reaches outside with {entry.filename!r}")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"{entry.filename!r} is neither a file nor a folder")


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, task_folder: str, goes_on: Callable[[], bool]) -> None:
    if not goes_on():
        raise Interrupted
    target = os.path.join(task_folder, *(part for part in entry.filename.split("/") if part not in ("", os.curdir)))
    if entry.is_dir():
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    mode = (entry.external_attr >> 16) & 0o777 or 0o644
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | 0o600)
    with os.fdopen(descriptor, "wb") as file, archive.open(entry) as content:
        while True:
            piece = content.read(PIECE_BYTES)
            if not piece:
                return
            file.write(piece)
            if not goes_on():
                raise Interrupted
