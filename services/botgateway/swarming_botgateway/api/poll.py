"""POST poll: a bot asks for work."""

from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.grown import read_grown_object
from swarming_botgateway.api.replies import BASE, error_reply, json_reply, with_session
from swarming_botgateway.api.sender import sender_of
from swarming_botgateway.api.unknown_fields import count_unknown_keys
from swarming_botgateway.bot_word import Nameless, read_word
from swarming_botgateway.manifest import is_termination, manifest, run_id
from swarming_botgateway.restart import RebootHost, RestartBot
from swarming_botgateway.sessions import Session
from swarming_botgateway.usecases.poll import PollAnswer, Run, Sleep, Superseded, UpdateBot, Waiting

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session", "request_uuid", "force"})


async def answer_poll(request: Request) -> Response:
    """The poll's answer, as soon as there is one."""
    use = usecases_of(request)
    answer, session = await _considered(request)
    if isinstance(answer, Waiting):
        waiting, answer = answer, await use.poll.wait(answer, lambda: gone(request))
        if waiting.lacks_cipd and isinstance(answer, Run):
            answer = await use.refuse_inputs(answer, str(session), use.clock.now())
    return _reply(answer, None if session is None else str(session))


async def _considered(request: Request) -> tuple[PollAnswer | Waiting, Session | None]:
    """A function of its own, so that the kilobytes that a bot says of itself are gone while its poll is held."""
    use = usecases_of(request)
    body = await read_grown_object(request, settings_of(request))
    count_unknown_keys("poll", body, KNOWN_KEYS)
    word = read_word(body, REQUIRED_KEYS, sender=sender_of(request))
    if isinstance(word, Nameless):
        return use.poll.nameless(word), None
    return await use.poll(word, use.clock.now()), word.session


POLL_ROUTES = [Route(f"{BASE}/poll", answer_poll, methods=["POST"])]


def gone(request: Request) -> Coroutine[None, None, None]:
    """Waits until the bot is. Once the body is read, the next message can only be the end of the connection."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return disconnected()


def _reply(answer: PollAnswer, session: str | None) -> Response:
    if isinstance(answer, Superseded):
        return error_reply("session: expected the newest of this bot; another process has its id", 400)
    return json_reply(command_of(answer) | with_session(session))


def command_of(answer: Sleep | UpdateBot | RestartBot | RebootHost | Run) -> dict[str, Any]:
    """The answer as bots read it, without a session."""
    if isinstance(answer, Sleep):
        return {"cmd": "sleep", "duration": float(answer.seconds), "quarantined": answer.is_quarantined}
    if isinstance(answer, UpdateBot):
        return {"cmd": "update", "version": answer.version}
    if isinstance(answer, RestartBot):
        return {"cmd": "bot_restart", "message": answer.reason}
    if isinstance(answer, RebootHost):
        return {"cmd": "host_reboot", "message": answer.reason}
    if is_termination(answer.assigned):
        return {"cmd": "terminate", "task_id": run_id(answer.assigned)}
    return {"cmd": "run", "manifest": manifest(answer.assigned, answer.dimensions)}
