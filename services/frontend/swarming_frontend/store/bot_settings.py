"""`bot_setting`: what people set of bots, one row a bot, kept when the bot is deleted."""

from typing import Any

from sqlalchemy import Connection, select

from swarming_common.database.dialects import insert
from swarming_common.database.tables import bot, bot_setting


def write_setting(connection: Connection, bot_id: str, changes: dict[str, Any]) -> bool:
    """Set these columns and leave the others; False, and nothing is written, for a bot that is not known (any more)."""
    if connection.execute(select(bot.c.bot_id).where(bot.c.bot_id == bot_id)).one_or_none() is None:
        return False
    upsert = insert(connection, bot_setting).on_conflict_do_update(index_elements=["bot_id"], set_=changes)
    connection.execute(upsert, {"bot_id": bot_id, **changes})
    return True
