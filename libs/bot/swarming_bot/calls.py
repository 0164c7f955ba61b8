"""Make one JSON call to the server, and repeat it where the protocol says so."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Callable, Dict, Mapping, Optional

from swarming_bot.boot_clock import boot_seconds
from swarming_bot.connection import Connection, Response
from swarming_bot.errors import Refused, ServerAway
from swarming_bot.retry_delay import call_delay
from swarming_bot.stop import Stop

log = logging.getLogger(__name__)

READ_TIMEOUT_SECONDS = 60.0  # no reply may be held longer (bot-api.md section 1)
LEAST_TIMEOUT_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.2  # whether a call that waits for its next attempt is still wanted
CALL_PATIENCE_SECONDS = 240.0  # of a call that nothing else limits
STOP_PATIENCE_SECONDS = 5.0  # whoever stops a machine does not wait minutes for a server that is away

Json = Dict[str, Any]


class Calls:
    """Calls to one server over one connection; used by one thread at a time."""

    def __init__(self, connection: Connection, stop: Stop) -> None:
        self._connection = connection
        self._stop = stop
        self.asked_at = boot_seconds()  # by the last attempt

    def once(
        self,
        path: str,
        payload: Mapping[str, Any],
        meanwhile: Optional[Callable[[], None]] = None,
        ends_on_stop: bool = False,
        timeout: float = READ_TIMEOUT_SECONDS,
        is_ours: Callable[[Json], bool] = lambda answer: True,
    ) -> Json:
        """Call once. Raises ServerAway (try again later) or Refused (do not).

        timeout: seconds without a byte of the answer.
        is_ours: whether a JSON object is an answer to this call; another one comes from something on the way.
        """
        # A name with bytes that are no UTF-8 has lone surrogates, which a server need not take: they become "?".
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        give_up = (lambda: self._stop.requested) if ends_on_stop else None
        if self._stop.requested:
            timeout = min(timeout, STOP_PATIENCE_SECONDS)
        self.asked_at = boot_seconds()
        try:
            response = self._connection.post(path, body, timeout, meanwhile, give_up)
        except OSError as error:
            raise ServerAway(f"{path}: {error or type(error).__name__}") from error
        answer = _read(path, response)
        if not is_ours(answer):
            raise ServerAway(f"{path}: {answer.get('error') or 'an answer of another form'}")
        return answer

    def until_answered(
        self,
        path: str,
        payload: Mapping[str, Any],
        patience: float = CALL_PATIENCE_SECONDS,
        meanwhile: Optional[Callable[[], None]] = None,
        goes_on: Callable[[], bool] = lambda: True,
        is_ours: Callable[[Json], bool] = lambda answer: True,
    ) -> Json:
        """Call until the server answers, for `patience` seconds and at least once.

        goes_on: asked between attempts; a no ends the patience.
        Raises ServerAway when the patience is over, Refused when the answer is no.
        """
        begun = boot_seconds()
        attempt = 0
        while True:
            try:
                # An attempt does not outlast the patience: after it, a run may be somebody else's.
                left = max(begun + patience - boot_seconds(), LEAST_TIMEOUT_SECONDS)
                return self.once(path, payload, meanwhile, False, min(left, READ_TIMEOUT_SECONDS), is_ours)
            except ServerAway as error:
                left = self._deadline(begun, patience) - boot_seconds()
                if left <= 0:
                    raise
                log.debug("call_failed path=%s attempt=%d error=%s", path, attempt, error)
                self._pause(min(call_delay(attempt), left), goes_on)  # the last attempt is at the very end
                if not goes_on():
                    raise
            attempt += 1
            meanwhile = None

    def _deadline(self, begun: float, patience: float) -> float:
        if self._stop.since is None:
            return begun + patience
        return min(begun + patience, max(begun, self._stop.since) + STOP_PATIENCE_SECONDS)

    def _pause(self, delay: float, goes_on: Callable[[], bool]) -> None:
        if self._stop.requested:
            time.sleep(delay)
            return
        until = time.monotonic() + delay
        while goes_on() and time.monotonic() < until:
            if self._stop.wait(min(LOOK_AGAIN_SECONDS, until - time.monotonic())):
                return


def _read(path: str, response: Response) -> Json:
    """Sort an answer into success, later and never, as bot-api.md section 1 does.

    A refusal counts only in the server's own form, {"error": "…"}. Any other comes from something on the way, a proxy
    or a login page, and is waited out like a server that is away.
    """
    status = response.status
    is_json = response.headers.get("content-type", "").lower().startswith("application/json")
    if status in (408, 429) or status >= 500 or (status == 404 and not is_json):
        raise ServerAway(f"{path}: HTTP {status}", status)
    if status != 200:
        reason = refusal_reason(response.body)
        message = f"{path}: HTTP {status}: {response.body[:500].decode('utf-8', 'replace')}"
        if reason is None:
            raise ServerAway(message, status)
        raise Refused(message, reason)
    try:
        answer = json.loads(response.body)
    except ValueError as error:
        raise ServerAway(f"{path}: the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise ServerAway(f"{path}: the answer is not a JSON object")
    return answer


def refusal_reason(body: bytes) -> Optional[str]:
    """The server's own words; None if it is not the server that speaks."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) else None
