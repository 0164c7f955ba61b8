"""The last word on a run that the server could not be told: kept on disk until it can.

It is told in the session in which the run was carried out, and by a restarted bot before its handshake: a handshake
says that the bot has nothing in hand, upon which the server declares the run lost.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Dict, Optional

from swarming_bot.errors import BotError, Failure, Missing, ServerAway
from swarming_bot.output import LARGEST_CHUNK_BYTES, Output
from swarming_bot.removal import remove_tree
from swarming_bot.server import Server
from swarming_bot.stop import Stop

log = logging.getLogger(__name__)

NOTE = "report.json"
OUTPUT = "output"
TRY_SECONDS = 30.0  # each round of attempts; in between the age is looked at
LONGEST_WAIT_SECONDS = 24 * 3600.0  # the task has ended in another way long since
# A server that fails at this very report, while it is up, will go on doing so.
LONGEST_FAILING_SECONDS = 600.0


@dataclass(frozen=True)
class LastWord:
    """How a run ended: `fields` of its final update, or a `failure` and what was `missing` for it."""

    run_id: str
    session: Optional[str]
    fields: Dict[str, Any]
    failure: Optional[str]
    output_start: int  # offset of the output that is kept with it
    written_at: float  # Unix seconds
    missing: Optional[Missing] = None
    try_elsewhere: bool = False


class Undelivered:
    """At most one last word: a bot takes no other run before it is told."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def keep(
        self,
        run_id: str,
        session: Optional[str],
        fields: Dict[str, Any],
        failure: Optional[Failure],
        output: Output,
    ) -> None:
        """Write it down, with all output that is not acknowledged. Raises OSError when the disk is full, and then
        leaves nothing behind that would keep it full."""
        try:
            self._keep(run_id, session, fields, failure, output)
        except OSError:
            remove_tree(self._folder)
            raise

    def _keep(
        self,
        run_id: str,
        session: Optional[str],
        fields: Dict[str, Any],
        failure: Optional[Failure],
        output: Output,
    ) -> None:
        remove_tree(self._folder)
        os.makedirs(self._folder, mode=0o700)
        start = output.unsent_start
        with open(os.path.join(self._folder, OUTPUT), "wb") as file:
            output.copy_unsent(file)
        message, missing, try_elsewhere = failure or (None, None, False)
        word = LastWord(run_id, session, fields, message, start, time.time(), missing, try_elsewhere)
        # The note comes last and whole: without it there is nothing to tell.
        path = os.path.join(self._folder, NOTE)
        with open(f"{path}.new", "w", encoding="utf-8") as note:
            json.dump(asdict(word), note)
        os.replace(f"{path}.new", path)
        log.warning("report_kept run_id=%s", run_id)

    def deliver(self, server: Server, stop: Stop) -> None:
        """Tell the server what is kept, however long it is away; after a request to stop it stays on disk. What cannot
        be read (a disk failed, another release wrote it) is dropped: the bot is to live on."""
        try:
            word = self._read()
            if word is not None and not self._is_settled(word, server, stop):
                return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("report_unreadable path=%s error=%s", self._folder, repr(error))
        remove_tree(self._folder)

    def _is_settled(self, word: LastWord, server: Server, stop: Stop) -> bool:
        """Whether it was told, or cannot be; False after a request to stop."""
        if server.session is None:
            server.session = word.session
        failing_since: Optional[float] = None
        while not stop.requested:
            try:
                self._tell(server, word)
                log.warning("report_delivered run_id=%s", word.run_id)
            except ServerAway as error:
                is_failing = error.status == 500
                failing_since = (failing_since or time.monotonic()) if is_failing else None
                if not _is_hopeless(word, failing_since):
                    continue
                log.error("report_dropped run_id=%s error=%s", word.run_id, error)
            except BotError as error:
                log.error("report_refused run_id=%s error=%s", word.run_id, error)
            return True
        return False

    def _read(self) -> Optional[LastWord]:
        try:
            with open(os.path.join(self._folder, NOTE), encoding="utf-8") as file:
                return LastWord(**json.load(file))
        except FileNotFoundError:
            return None

    def _tell(self, server: Server, word: LastWord) -> None:
        with open(os.path.join(self._folder, OUTPUT), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start, chunk = word.output_start, _next(file)
            last_start = word.output_start + size
            while chunk and start + len(chunk) < last_start:
                server.task_update(word.run_id, {"cost_usd": word.fields["cost_usd"]}, chunk, start, TRY_SECONDS)
                start += len(chunk)
                chunk = _next(file)
            server.task_update(word.run_id, word.fields, chunk, start, TRY_SECONDS)
        if word.failure is not None:
            server.task_error(word.run_id, Failure(word.failure, word.missing, word.try_elsewhere), TRY_SECONDS)


def _next(file: BinaryIO) -> bytes:
    return file.read(LARGEST_CHUNK_BYTES)


def _is_hopeless(word: LastWord, failing_since: Optional[float]) -> bool:
    if time.time() - word.written_at > LONGEST_WAIT_SECONDS:
        return True
    return failing_since is not None and time.monotonic() - failing_since > LONGEST_FAILING_SECONDS
