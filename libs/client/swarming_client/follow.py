"""Hear of a task as it happens: the server holds each question until there is news.

A server without that extension answers at once; it is then asked every second, and more and more seldom while
it has nothing new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from swarming_client.errors import WaitTimeout
from swarming_client.messages import TaskOutput, TaskResult, is_final

LONGEST_HOLD_SECS = 20.0  # what the server accepts at most
FIRST_PAUSE_SECS = 1.0
LONGEST_PAUSE_SECS = 15.0
PAUSE_GROWTH = 1.5
UNSURE = "\ufffd"


class TaskSource(Protocol):
    """The part of the SDK that following needs."""

    def result(self, task_id: str, *, wait_secs: float | None = None) -> TaskResult: ...

    def stdout(
        self, task_id: str, *, offset: int = 0, length: int = 0, wait_secs: float | None = None
    ) -> TaskOutput: ...


def follow_output(source: TaskSource, task_id: str, waiting: Waiting) -> Iterator[TaskOutput]:
    """Yield the output from its start, a piece (perhaps empty) after each wait, until the task has ended.

    A task that is run again on another bot is followed from the start of its new run: `run_id` tells them apart.
    Raises WaitTimeout, and whatever the source raises.
    """
    place = OutputPlace()
    run_id: str | None = None
    while True:
        reply = source.stdout(task_id, offset=place.offset, wait_secs=waiting.hold_secs())
        is_another_run = run_id is not None and reply.run_id not in (None, run_id)
        run_id = reply.run_id or run_id
        if is_another_run and place.offset:  # what was answered is not the start of this run's output
            place = OutputPlace()
            continue
        text = place.take(reply)
        yield replace(reply, text=text)
        if not is_final(reply.state):
            waiting.pause(task_id, reply.state, news=bool(text), held=reply.next_offset is not None)
        elif not text:  # there may be more than one answer's worth left
            return


def follow_result(source: TaskSource, task_id: str, waiting: Waiting) -> Iterator[TaskResult]:
    """Yield the task's result after each wait; the last one is final.

    Raises WaitTimeout, and whatever the source raises.
    """
    while True:
        result = source.result(task_id, wait_secs=waiting.hold_secs())
        yield result
        if result.is_final:
            return
        waiting.pause(task_id, result.state, news=False, held=True)


class Waiting:
    """How long each question is held, when to pause between two, and when to give up; all in seconds."""

    def __init__(
        self,
        *,
        hold_secs: float = LONGEST_HOLD_SECS,
        timeout_secs: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_hold_secs = hold_secs
        self._timeout_secs = timeout_secs
        self._sleep = sleep
        self._monotonic = monotonic
        self._started = self._asked = monotonic()
        self._held_secs = 0.0
        self._next_pause_secs = FIRST_PAUSE_SECS

    def hold_secs(self) -> float:
        """Say for how long the next question may be held; the clock of that question starts now."""
        self._asked = self._monotonic()
        self._held_secs = min(self._longest_hold_secs, self._remaining_secs())
        return self._held_secs

    def pause(self, task_id: str, state: str, *, news: bool, held: bool) -> None:
        """Sleep if the last answer came early and without news; raises WaitTimeout when time is up.

        A server that holds its answers may give one early, when it stops; no storm of questions must follow.
        `held` is False for the answer of a server that cannot hold it: a pause then follows in any case.
        """
        if self._remaining_secs() <= 0:
            raise WaitTimeout(task_id, state)
        fruitful = news or self._monotonic() - self._asked >= self._held_secs / 2
        if fruitful:
            self._next_pause_secs = FIRST_PAUSE_SECS
            if held:
                return
        self._sleep(min(self._next_pause_secs, self._remaining_secs()))
        self._next_pause_secs = min(self._next_pause_secs * PAUSE_GROWTH, LONGEST_PAUSE_SECS)

    def _remaining_secs(self) -> float:
        if self._timeout_secs is None:
            return float("inf")
        return max(0.0, self._started + self._timeout_secs - self._monotonic())


@dataclass
class OutputPlace:
    """Where in the output we are: the byte to ask for next, and how much of what follows it was handed out.

    Offsets count bytes but answers are text, in which a replacement character stands for one to three bytes.
    A server that does not tell the next offset is therefore asked again from the first such character on, and
    what was handed out is dropped. (After broken bytes, its limit of 16 MB an answer limits what is seen.)
    """

    offset: int = 0
    shown: int = 0  # characters after `offset`

    def take(self, reply: TaskOutput) -> str:
        """Return the text that is new in this reply, and move on."""
        if reply.next_offset is not None:
            new = reply.text[self.shown :]
            self.offset, self.shown = reply.next_offset, 0
            return new
        # What ends in it may be half a character, whose rest is still to come.
        text = reply.text if is_final(reply.state) else reply.text.rstrip(UNSURE)
        new = text[self.shown :]
        sure = text.partition(UNSURE)[0]
        self.offset += len(sure.encode(errors="replace"))
        self.shown = max(self.shown, len(text)) - len(sure)
        return new
