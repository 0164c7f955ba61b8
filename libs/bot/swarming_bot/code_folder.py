"""The folder of a bot that runs from a zip: the code that is known to work, the code that runs, what is known of both.

`swarming_bot.zip` is what a machine starts: the last version that worked. What runs is a copy of it,
`swarming_bot.1.zip` or `swarming_bot.2.zip` in turn, so that neither is ever replaced under a running process. A file
is written beside its place and then moved there: a machine that loses power has the old one or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from typing import Any, Dict

from swarming_bot.version import zip_version

GOOD = "swarming_bot.zip"
SLOTS = ("swarming_bot.1.zip", "swarming_bot.2.zip")
NOTE = "swarming_bot.json"
HOOKS = "bot_config.py"
LONGEST_REASON = 4000  # characters; the end tells most


@dataclass(frozen=True)
class CodeNote:
    """What is known of the code. Written by the bot while it runs, by its supervisor while none runs."""

    good: str = ""  # the version of swarming_bot.zip
    running: str = ""  # the file that runs, or is to be started
    version: str = ""  # its version
    is_on_trial: bool = False  # it has not yet got an answer to a poll
    crashes: int = 0  # of the version on trial
    previous: str = ""  # the file with the version that ran before, empty if there is none
    previous_version: str = ""
    rejected: str = ""  # the version that did not work here
    reason: str = ""  # why not
    news: str = ""  # what the server has not been told yet


class CodeFolder:
    """The files of one bot, in a folder where nothing else is."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def note(self) -> CodeNote:
        """What is known; nothing at all where the note is missing or makes no sense."""
        try:
            with open(self.file(NOTE), encoding="utf-8") as file:
                raw: Dict[str, Any] = json.load(file)
            known = asdict(CodeNote())
            return CodeNote(**{name: raw[name] for name in known if type(raw[name]) is type(known[name])})
        except (OSError, ValueError, KeyError, TypeError):
            return CodeNote()

    def settle(self) -> CodeNote:
        """Bring the files in order at a start: a zip that somebody put here counts, and so does a half-done update."""
        note, good = self.note(), zip_version(self.file(GOOD))
        if good is None:
            raise OSError(f"{self.file(GOOD)} is not a bot's zip")
        if note.good == good and note.running in SLOTS and zip_version(self.file(note.running)) == note.version:
            return note
        return self._start_from_good(note, good)

    def free_slot(self) -> str:
        """The file that does not run, for the next version."""
        return self.file(SLOTS[1] if self.note().running == SLOTS[0] else SLOTS[0])

    def store(self, path: str, content: bytes) -> None:
        """Write a file whole, or not at all. Raises OSError."""
        descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=".swarming_bot.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def put_on_trial(self, path: str, version: str) -> None:
        """Have this file started next; what runs now is kept for the case that it does not work."""
        note = self.note()
        self._write(
            replace(
                note,
                running=os.path.basename(path),
                version=version,
                is_on_trial=True,
                crashes=0,
                previous=note.running,
                previous_version=note.version,
                rejected="",
                reason="",
            )
        )

    def prove(self) -> None:
        """What runs works: it is what the machine starts from now on."""
        note = self.note()
        if note.is_on_trial or note.good != note.version:
            self._make_good(replace(note, is_on_trial=False, crashes=0))

    def count_crash(self) -> int:
        """One more crash of the version on trial; how many there were."""
        note = self.note()
        self._write(replace(note, crashes=note.crashes + 1))
        return note.crashes + 1

    def reject(self, version: str, reason: str) -> None:
        """This version is not to be tried again until another one is offered."""
        self._write(replace(self.note(), rejected=version, reason=reason[-LONGEST_REASON:]))

    def abandon(self, reason: str) -> CodeNote:
        """Go back from what runs to what ran before, or else to what the machine starts."""
        note = self.note()
        why = reason[-LONGEST_REASON:]
        note = replace(
            note,
            rejected=note.version,
            reason=why,
            news=f"Version {note.version} was abandoned: {why}",
            is_on_trial=False,
            crashes=0,
        )
        if note.previous and zip_version(self.file(note.previous)) == note.previous_version:
            back = replace(note, running=note.previous, version=note.previous_version, previous="", previous_version="")
            self._make_good(back)
            return back
        good = zip_version(self.file(GOOD))
        return self._start_from_good(note, good) if good else note

    @property
    def can_go_back(self) -> bool:
        """Whether there is another version than the one that runs."""
        note = self.note()
        return bool(note.previous) and zip_version(self.file(note.previous)) == note.previous_version

    def take_news(self) -> str:
        """What the server is to be told, once."""
        note = self.note()
        if note.news:
            self._write(replace(note, news=""))
        return note.news

    def _start_from_good(self, note: CodeNote, good: str) -> CodeNote:
        slot = SLOTS[0]
        with open(self.file(GOOD), "rb") as file:
            self.store(self.file(slot), file.read())
        fresh = replace(
            note,
            good=good,
            running=slot,
            version=good,
            is_on_trial=False,
            crashes=0,
            previous="",
            previous_version="",
        )
        self._write(fresh)
        return fresh

    def _make_good(self, note: CodeNote) -> None:
        if note.good != note.version:
            with open(self.file(note.running), "rb") as file:
                self.store(self.file(GOOD), file.read())
        self._write(replace(note, good=note.version))

    def _write(self, note: CodeNote) -> None:
        self.store(self.file(NOTE), json.dumps(asdict(note), indent=1, sort_keys=True).encode())
