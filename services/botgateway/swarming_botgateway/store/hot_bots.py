"""What is asked and written of very many bots: for PostgreSQL one statement for all of them."""

from collections import defaultdict, namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic_core
from sqlalchemy import any_, literal_column
from sqlalchemy.dialects import postgresql

from swarming_botgateway.bot_facts import KnownBot, SeenBot
from swarming_botgateway.store.bots import bots_as_known, known_bot, known_of_rows, write_seen_bots
from swarming_common.database.port import HotBatch

_IDS = any_(literal_column("CAST($1 AS text[])"))
_QUERY = bots_as_known(lambda bot_id: bot_id == _IDS)
_KNOWN_BOTS = str(
    _QUERY.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
)
_Row = namedtuple("_Row", [column.name for column in _QUERY.selected_columns])  # type: ignore[misc]

# The rows are locked in one order everywhere: two gateways that write the same bots must not wait in a circle.
_SEEN_BOTS = """
WITH seen AS MATERIALIZED (
  SELECT * FROM unnest(CAST($1 AS text[]), CAST($2 AS timestamptz[]), CAST($3 AS text[])) AS said(bot_id, at, state)
), found AS MATERIALIZED (
  SELECT bot_id FROM bot WHERE bot_id IN (SELECT bot_id FROM seen) ORDER BY bot_id FOR NO KEY UPDATE
)
UPDATE bot SET last_seen_ts = seen.at, state = COALESCE(CAST(seen.state AS jsonb), bot.state)
FROM seen JOIN found USING (bot_id) WHERE bot.bot_id = seen.bot_id AND bot.last_seen_ts < seen.at
"""


def hot_known_bots(bot_ids: Sequence[str]) -> HotBatch[Sequence[KnownBot | None]]:
    """What is known of each of these bots, in order; None for one that has no row."""

    def read(rows: Sequence[Mapping[str, Any]]) -> list[KnownBot | None]:
        of_bot: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            found: Any = _Row._make(row.values())
            of_bot[found.bot_id].append(found._replace(dimensions=pydantic_core.from_json(found.dimensions)))
        return [known_of_rows(of_bot.get(bot_id, ())) for bot_id in bot_ids]

    return HotBatch(
        lambda connection: [known_bot(connection, one) for one in bot_ids],
        _KNOWN_BOTS,
        lambda: (list(set(bot_ids)),),
        read,
    )


def hot_seen_bots(seen: Sequence[SeenBot]) -> HotBatch[None]:
    """As `write_seen_bots`."""
    return HotBatch(
        lambda connection: write_seen_bots(connection, seen), _SEEN_BOTS, lambda: _arguments(seen), lambda _: None
    )


def _arguments(seen: Sequence[SeenBot]) -> tuple[Any, ...]:
    states = [None if one.state is None else pydantic_core.to_json(one.state).decode() for one in seen]
    return [one.bot_id for one in seen], [one.last_seen for one in seen], states
