"""Answers as bots read them: bare JSON."""

from typing import Any

import pydantic_core
from starlette.responses import Response

BASE = "/swarming/api/v1/bot"


def json_reply(content: dict[str, Any], status_code: int = 200) -> Response:
    """The content as JSON."""
    return Response(pydantic_core.to_json(content), status_code, media_type="application/json")


def with_session(session: str | None) -> dict[str, str]:
    """The bot's session, as a part of an answer: it stays the one that it has. Nothing for a bot without one."""
    return {} if session is None else {"session": session}


def error_reply(message: str, status_code: int) -> Response:
    """What bots and their logs show when something was wrong."""
    return json_reply({"error": message}, status_code)
