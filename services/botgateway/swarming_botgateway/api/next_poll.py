"""What a run's last update may carry besides: the poll that would follow it. Only our own bots send it."""

from typing import Any

from swarming_botgateway.api.poll import KNOWN_KEYS, REQUIRED_KEYS
from swarming_botgateway.api.unknown_fields import count_unknown_keys
from swarming_botgateway.bot_word import BotWord, read_bot_word
from swarming_common.errors import InvalidInput

FIELD = "next_poll"


def take_next_poll(body: dict[str, Any]) -> BotWord | None:
    """Take it out of the update's body, since it is read as leniently as any poll; None if there is none to serve.

    One that names no bot, or another, is left to the bot's next poll, which tells what is wrong: the report of a run
    is not lost for it. Raises InvalidInput where nothing of the kind belongs.
    """
    carried = body.pop(FIELD, None)
    if carried is None:
        return None
    if not isinstance(carried, dict):
        raise InvalidInput(FIELD, "expected an object")
    if body.get("exit_code") is None:
        raise InvalidInput(FIELD, "expected only together with exit_code")
    count_unknown_keys(FIELD, carried, KNOWN_KEYS)
    try:
        word = read_bot_word(carried, REQUIRED_KEYS)
    except InvalidInput:
        return None
    return word if word.bot_id == body.get("id") else None
