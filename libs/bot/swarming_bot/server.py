"""The server in the words of the bot protocol: handshake, poll, event, task_update, task_error."""

from __future__ import annotations

import base64
from typing import Any, Callable, Mapping, NamedTuple, Optional

from swarming_bot.calls import CALL_PATIENCE_SECONDS, Calls, Json
from swarming_bot.errors import Failure, Missing, Refused, ServerAway, Superseded
from swarming_bot.identity import Identity
from swarming_bot.poll_reply import is_reply

BASE_PATH = "/swarming/api/v1/bot"
EVENT_PATIENCE_SECONDS = 10.0  # an event is a courtesy; nothing waits for it


class UpdateAnswer(NamedTuple):
    """What the server says to an update of a run."""

    must_stop: bool
    next_reply: Optional[Json]  # to the poll that the update carried; None if there is to be a poll


class Server:
    """What one bot says to its server; used by one thread at a time.

    session: the newest token; None if none was ever given.
    takes_next_poll: whether the last update of a run may carry the poll that would follow it.
    """

    def __init__(self, calls: Calls, identity: Identity) -> None:
        self._calls = calls
        self._identity = identity
        self.session: Optional[str] = None
        self.takes_next_poll = False

    @property
    def asked_at(self) -> float:
        """When the last attempt at a call began, in boot seconds: the one that was answered, if one was."""
        return self._calls.asked_at

    def handshake(self) -> Json:
        """Open a session, once. Raises ServerAway or Refused."""
        me = self._identity
        request = {**me.describe(), "session_id": me.session_id}
        answer = self._calls.once(f"{BASE_PATH}/handshake", request, ends_on_stop=True)
        if not answer or answer.get("error"):
            raise ServerAway(f"handshake: {answer.get('error') or 'an empty answer'}")
        self.session = None
        self._keep_session(answer)
        self.takes_next_poll = answer.get("next_poll") is True
        me.take_in_handshake(answer)
        return answer

    def poll(self, request_uuid: str) -> Json:
        """Ask for a command, once; a stop request ends it. Raises ServerAway, Refused, or of these Superseded."""
        try:
            answer = self._calls.once(f"{BASE_PATH}/poll", self.describe_poll(request_uuid), ends_on_stop=True)
        except Refused as error:
            if error.reason.startswith("session:"):
                raise Superseded(str(error), error.reason) from error
            raise
        if not is_reply(answer):
            raise ServerAway(f"poll: {answer.get('error') or 'an answer without a command'}")
        self._keep_session(answer)
        return answer

    def describe_poll(self, request_uuid: str) -> Json:
        """What a poll says, as of now."""
        return {**self._identity.describe(), "session": self.session, "request_uuid": request_uuid}

    def event(self, event: str, message: str) -> None:
        """Report something about the bot itself. Raises ServerAway or Refused."""
        request = {
            **self._identity.described(),
            "session": self.session,
            "event": event,
            "message": message,
        }
        answer = self._calls.until_answered(f"{BASE_PATH}/event", request, EVENT_PATIENCE_SECONDS)
        self._keep_session(answer)

    def task_update(
        self,
        run_id: str,
        fields: Mapping[str, Any],
        output: bytes = b"",
        output_start: int = 0,
        patience: float = CALL_PATIENCE_SECONDS,
        meanwhile: Optional[Callable[[], None]] = None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> UpdateAnswer:
        """Report on a run, until it is acknowledged.

        output_start: offset in bytes of `output` in the run's output.
        patience: seconds. Raises ServerAway when it is over, Refused when the server says no.
        goes_on: asked between attempts; a no ends the patience.
        """
        request = self._about(run_id, fields)
        if output:
            request["output"] = base64.b64encode(output).decode("ascii")
            request["output_chunk_start"] = output_start
        path = f"{BASE_PATH}/task_update/{run_id}"
        answer = self._calls.until_answered(path, request, patience, meanwhile, goes_on, _is_update_answer)
        self._keep_session(answer)
        next_reply = answer.get("next")
        return UpdateAnswer(bool(answer.get("must_stop")), next_reply if is_reply(next_reply) else None)

    def task_error(self, run_id: str, failure: Failure, patience: float = CALL_PATIENCE_SECONDS) -> None:
        """Report that this bot failed a run. Raises ServerAway or Refused."""
        missing = {"missing_cas": [], "missing_cipd": [], **(failure.missing or {})}
        try:
            self._task_error(run_id, failure, missing, patience)
        except Refused:
            if not missing.pop("unreachable_data", None) and not failure.try_elsewhere:
                raise
            # Perhaps by a replica of an older release, which knows no such fields.
            self._task_error(run_id, Failure(failure.message), missing, patience)

    def _task_error(self, run_id: str, failure: Failure, missing: Missing, patience: float) -> None:
        extension = {"try_elsewhere": True} if failure.try_elsewhere else {}
        request = self._about(run_id, {"message": failure.message, "client_error": missing, **extension})
        # The one answer that carries no session: it is exactly {}.
        self._calls.until_answered(f"{BASE_PATH}/task_error/{run_id}", request, patience)

    def _about(self, run_id: str, fields: Mapping[str, Any]) -> Json:
        return {**fields, "id": self._identity.bot_id, "task_id": run_id, "session": self.session}

    def _keep_session(self, answer: Json) -> None:
        session = answer.get("session")
        if isinstance(session, str) and session:
            self.session = session


def _is_update_answer(answer: Json) -> bool:
    return isinstance(answer.get("ok"), bool) and not answer.get("error")
