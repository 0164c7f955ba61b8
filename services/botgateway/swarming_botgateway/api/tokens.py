"""POST oauth_token and id_token: which service account a bot or its run has (bot-api.md section 9).

This server has no tokens to lend, so the answer is always that there is no account, or that it is the bot's own.
"""

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.api.spoken import read_spoken_object
from swarming_botgateway.api.strict import Message, read_message, read_run_id
from swarming_common.errors import InvalidInput

Text = Annotated[str, Field(min_length=1)]


class TokenAsked(Message):
    """Whose account it is about: the bot's for its own needs (`system`), or that of its run."""

    account_id: Literal["system", "task"]
    id: Text
    task_id: str | None = None
    session: str | None = None


class OauthTokenAsked(TokenAsked):
    """For these scopes."""

    scopes: list[Text] = Field(min_length=1)


class IdTokenAsked(TokenAsked):
    """For this audience."""

    audience: Text


async def tell_for_scopes(request: Request) -> Response:
    """The account, where a token may stand beside it."""
    return await _tell(request, OauthTokenAsked)


async def tell_for_audience(request: Request) -> Response:
    """The same."""
    return await _tell(request, IdTokenAsked)


TOKEN_ROUTES = [
    Route(f"{BASE}/oauth_token", tell_for_scopes, methods=["POST"]),
    Route(f"{BASE}/id_token", tell_for_audience, methods=["POST"]),
]


async def _tell(request: Request, kind: type[TokenAsked]) -> Response:
    # A 400 is the one refusal whose text upstream's bot shows; anything else it takes for a server that is away.
    asked = read_message(kind, await read_spoken_object(request, settings_of(request).max_poll_body_bytes))
    if asked.account_id == "system":
        return json_reply({"service_account": "none"})  # as each manifest says
    if asked.task_id is None:
        raise InvalidInput("task_id", "expected the run whose account it is")
    run = read_run_id(asked.task_id, None)
    return json_reply({"service_account": await usecases_of(request).tell_account(run, asked.id)})
