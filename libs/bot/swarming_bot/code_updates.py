"""How a bot that runs from a zip comes to other code: fetch it, check it, have it started; and prove what runs now."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from typing import IO, Any, Dict, Optional

from swarming_bot.calls import refusal_reason
from swarming_bot.code_folder import CodeFolder
from swarming_bot.disk_failure import probe_disk
from swarming_bot.errors import BotError
from swarming_bot.proxies import new_opener
from swarming_bot.server import BASE_PATH
from swarming_bot.supervisor_link import SupervisorLink
from swarming_bot.version import zip_version

log = logging.getLogger(__name__)

DOWNLOAD_SECONDS = 60.0  # between two pieces of the download
SELF_CHECK_SECONDS = 120.0  # it takes one; machines can be very busy
LARGEST_ARCHIVE_BYTES = 64 * 1024 * 1024
MOST_REFUSAL_BYTES = 64 * 1024
ZIP_BEGINNING = b"PK"
MOST_ATTEMPTS = 3  # at a version that cannot be had whole; then the bot goes on without it
SELF_CHECK = "self_check"


class UpdateFailed(BotError):
    """The other code cannot be had, or does not work here."""


class CodeUpdates:
    """The updates of one bot; used by its thread.

    link: the supervisor that starts the other code.
    """

    def __init__(self, folder: CodeFolder, server_url: str, link: SupervisorLink) -> None:
        self._folder = folder
        self._server_url = server_url
        self._link = link
        self._is_proven = False
        self._attempts: Dict[str, int] = {}

    def describe(self) -> Dict[str, Any]:
        """For the state: that this bot updates itself, and which version it will not take."""
        note = self._folder.note()
        word: Dict[str, Any] = {"updates": True}
        if note.rejected:
            word.update(rejected=note.rejected, reason=note.reason)
        return word

    def take_news(self) -> str:
        """What became of an update that failed, to be told once; empty if there is nothing."""
        try:
            return self._folder.take_news()
        except OSError as error:
            log.warning("news_not_taken error=%s", error)
            return ""

    def prove(self) -> None:
        """A poll was answered: this code works. Does nothing once that is known."""
        if self._is_proven:
            return
        self._link.tell_proven()
        try:
            self._folder.prove()
        except OSError as error:  # a full disk; the next poll tries again
            log.warning("code_not_kept error=%s", error)
        else:
            self._is_proven = True

    def prepare(self, version: str, headers: str) -> None:
        """Fetch and check this version; when this returns, the bot is to end with EXIT_TO_START_AGAIN.

        headers: lines that prove who the bot is, each with its line end.
        Raises UpdateFailed; after too many attempts, or a failed check, the version is rejected.
        """
        try:
            path = self._fetch(version, headers)
        except (UpdateFailed, OSError) as error:
            self._check_disk()
            attempts = self._attempts[version] = self._attempts.get(version, 0) + 1
            if attempts >= MOST_ATTEMPTS and not isinstance(error, _ServerSilent):
                self._reject(version, str(error))
            raise UpdateFailed(str(error)) from error
        trouble = _self_check(path, version)
        if trouble is not None:
            self._check_disk()
            self._reject(version, trouble)
            raise UpdateFailed(trouble)
        try:
            self._folder.put_on_trial(path, version)
        except OSError as error:
            raise UpdateFailed(f"it cannot be noted: {error}") from error

    def _check_disk(self) -> None:
        """After a failure: raises UpdateFailed if the disk cannot be written, which is no fault of the version's."""
        try:
            temporary = tempfile.gettempdir()
        except OSError as error:
            raise UpdateFailed(f"no folder for temporary files: {error}") from error
        for folder in (self._folder.path, temporary):
            trouble = probe_disk(folder)
            if trouble is not None:
                raise UpdateFailed(trouble)

    def _reject(self, version: str, reason: str) -> None:
        with contextlib.suppress(OSError):  # it will be tried again, and rejected again
            self._folder.reject(version, reason)

    def _fetch(self, version: str, headers: str) -> str:
        content = _download(f"{self._server_url}{BASE_PATH}/bot_code/{version}", headers)
        path = self._folder.free_slot()
        self._folder.store(path, content)
        found = zip_version(path)
        if found != version:
            os.unlink(path)
            raise UpdateFailed(f"what the server sent as {version} is {found or 'not a whole zip'}")
        return path


class _ServerSilent(UpdateFailed):
    """Nobody answered, or not well: no fault of the version."""


def _download(url: str, headers: str) -> bytes:
    request = urllib.request.Request(url, headers=_as_dict(headers))
    try:
        with new_opener().open(request, timeout=DOWNLOAD_SECONDS) as answer:
            content = answer.read(LARGEST_ARCHIVE_BYTES + 1)
            announced = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        with error:
            is_refusal = 400 <= error.code < 500 and error.code not in (408, 429) and _is_refusal(error)
        kind = UpdateFailed if is_refusal else _ServerSilent
        raise kind(f"bot_code: HTTP {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _ServerSilent(f"bot_code: {error or type(error).__name__}") from error
    if len(content) > LARGEST_ARCHIVE_BYTES:
        raise UpdateFailed("bot_code: a zip too large to be true")
    if announced is not None and announced.isdigit() and int(announced) != len(content):
        raise _ServerSilent("bot_code: the connection was cut")
    if not content.startswith(ZIP_BEGINNING):
        raise _ServerSilent("bot_code: something on the way answered with what is no zip")
    return bytes(content)


def _is_refusal(answer: IO[bytes]) -> bool:
    """Whether the server itself says no, and not a proxy or a login page in its place."""
    try:
        return refusal_reason(answer.read(MOST_REFUSAL_BYTES)) is not None
    except (OSError, http.client.HTTPException):
        return False


def _as_dict(headers: str) -> Dict[str, str]:
    pairs = (line.partition(":") for line in headers.split("\r\n") if line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _self_check(path: str, version: str) -> Optional[str]:
    """What is wrong with a zip, or None: it is started once, in a process of its own, and has to say its version."""
    try:
        done = subprocess.run(
            [sys.executable, path, SELF_CHECK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SELF_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"its self-check could not be done: {error}"
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        return f"its self-check ended with {done.returncode}: {said}"
    if said.rpartition("\n")[2] != version:
        return f"its self-check says another version: {said[-200:]}"
    return None
