"""Reads what a bot says of itself though it has grown too large to keep: what is needed to mend the bot stays."""

from collections.abc import Mapping
from typing import Any

import pydantic_core
from starlette.requests import Request

from swarming_botgateway.api.spoken import parse_spoken_object
from swarming_botgateway.bot_word import MAX_REASON_LENGTH
from swarming_botgateway.settings import BotGatewaySettings
from swarming_common.http.body import read_body

KEPT_OF_STATE = ("running_time", "sleep_streak", "bot_code", "maintenance")
"""What the update rule, the length of a sleep and the bot's standing are made of."""

LARGEST_KEPT_BYTES = 4096
"""Of each of these, as JSON."""


async def read_grown_object(request: Request, settings: BotGatewaySettings) -> dict[str, Any]:
    """The body as a JSON object; one over the limit without its state, and with a word that quarantines the bot.

    Raises InvalidInput, and BodyTooLarge for what is over any limit.
    """
    raw = await read_body(request, settings.max_grown_body_bytes)
    body, limit = parse_spoken_object(raw), settings.max_poll_body_bytes
    return body if len(raw) <= limit else _cut(body, f"body: expected at most {limit} bytes, got {len(raw)}", limit)


def _cut(body: Mapping[str, Any], reason: str, limit: int) -> dict[str, Any]:
    dimensions = body.get("dimensions")
    if isinstance(dimensions, dict) and json_bytes(dimensions) > limit:
        dimensions = {"id": dimensions.get("id")}
    return {**body, "dimensions": dimensions, "state": _cut_state(body.get("state"), reason)}


def _cut_state(state: object, reason: str) -> dict[str, Any]:
    said = state if isinstance(state, dict) else {}
    kept = {key: said[key] for key in KEPT_OF_STATE if key in said and json_bytes(said[key]) <= LARGEST_KEPT_BYTES}
    own = said.get("quarantined")  # perhaps a traceback, which says why it has grown
    return kept | {"quarantined": f"{reason}. {own}"[:MAX_REASON_LENGTH] if isinstance(own, str) and own else reason}


def json_bytes(value: object) -> int:
    """How much of a body it takes."""
    return len(pydantic_core.to_json(value))
