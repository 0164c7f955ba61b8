"""Who sent a request, apart from what its body says."""

from starlette.requests import Request

BOT_ID_HEADER = "X-Luci-Swarming-Bot-ID"


def external_ip(request: Request) -> str:
    """Where the bot calls from."""
    return "" if request.client is None else request.client.host


def sender_of(request: Request) -> str | None:
    """The bot that says in the header that it called, which is worth as much as its word in the body. Outside of ASCII
    it would be a guess: in headers nobody says in which encoding."""
    named = request.headers.get(BOT_ID_HEADER, "")
    return named if named and named.isascii() else None
