"""POST poll: a bot asks for work."""

from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.replies import BASE, error_reply, json_reply
from swarming_botgateway.bot_word import read_bot_word
from swarming_botgateway.manifest import is_termination, manifest, run_id
from swarming_botgateway.restart import RebootHost, RestartBot
from swarming_botgateway.usecases.poll import Poll, PollAnswer, Run, Sleep, Superseded, UpdateBot
from swarming_common.clock import Clock
from swarming_common.http.body import read_json_object

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session", "request_uuid", "force"})


def poll_routes(poll: Poll, clock: Clock, max_body_bytes: int) -> list[Route]:
    """The route."""

    async def answer_poll(request: Request) -> Response:
        body = await read_json_object(request, max_body_bytes)
        word = read_bot_word(body, KNOWN_KEYS, REQUIRED_KEYS)
        answer = await poll(word, clock.now(), lambda: _gone(request))
        return _reply(answer, None if word.session is None else str(word.session))

    return [Route(f"{BASE}/poll", answer_poll, methods=["POST"])]


def _gone(request: Request) -> Coroutine[None, None, None]:
    """Once the body is read, the next message can only be the end of the connection."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return disconnected()


def _reply(answer: PollAnswer, session: str | None) -> Response:
    if isinstance(answer, Superseded):
        return error_reply("session: expected the newest of this bot; another process has its id", 400)
    return json_reply(_command(answer) | {"session": session})


def _command(answer: Sleep | UpdateBot | RestartBot | RebootHost | Run) -> dict[str, Any]:
    if isinstance(answer, Sleep):
        return {"cmd": "sleep", "duration": answer.seconds, "quarantined": answer.is_quarantined}
    if isinstance(answer, UpdateBot):
        return {"cmd": "update", "version": answer.version}
    if isinstance(answer, RestartBot):
        return {"cmd": "bot_restart", "message": answer.reason}
    if isinstance(answer, RebootHost):
        return {"cmd": "host_reboot", "message": answer.reason}
    if is_termination(answer.assigned):
        return {"cmd": "terminate", "task_id": run_id(answer.assigned)}
    return {"cmd": "run", "manifest": manifest(answer.assigned, answer.dimensions)}
