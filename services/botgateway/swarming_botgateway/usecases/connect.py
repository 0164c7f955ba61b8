"""A bot shakes hands: it gets a session, and runs that its last process left behind are lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.history import event_of_word
from swarming_botgateway.identity import AUTHENTICATED_AS
from swarming_botgateway.offers import Closed, Offers
from swarming_botgateway.sessions import Session, begin_session
from swarming_botgateway.standing import with_own_word
from swarming_botgateway.storable import storable
from swarming_botgateway.store.bot_events import BotEvent, write_bot_events
from swarming_botgateway.store.bots import (
    current_session,
    fact_columns,
    known_bot,
    unfinished_runs,
    write_connected_bot,
)
from swarming_botgateway.usecases.keep_standing import log_standing, tell_standing
from swarming_botgateway.usecases.lost_runs import LostRun, lost_at_handshake, tell_lost_runs, write_lost_runs
from swarming_common.bus.port import Bus
from swarming_common.database.group_commit import GroupCommit
from swarming_common.model.bot_restrictions import RestrictionFacts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a process says when it starts; `process` names it, the same in a repeated handshake."""

    word: BotWord
    process: str
    external_ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What a handshake led to, all of it written."""

    session: Session
    lost: Sequence[LostRun]
    events: Sequence[BotEvent]


@dataclass(frozen=True, slots=True)
class Connect:
    """Serves handshakes. After a restart of this server all bots come at once, so they share transactions."""

    handshakes: GroupCommit[tuple[Handshake, datetime], Connected]
    bus: Bus
    offers: Offers

    async def __call__(self, handshake: Handshake, now: datetime) -> Session:
        """The bot's session from now on. Raises DatabaseAway, and DataRejected for what the database cannot hold."""
        connected = await self.handshakes.submit((handshake, now))
        bot_id = handshake.word.bot_id
        self.offers.close_bot(bot_id, Closed.SUPERSEDED)
        tell_lost_runs(self.bus.send, connected.lost)
        log.info("bot_connected", bot_id=bot_id, quarantined=handshake.word.facts.quarantined)
        log_standing(connected.events)
        return connected.session


def write_handshakes(connection: Connection, items: Sequence[tuple[Handshake, datetime]]) -> list[Connected]:
    """What came of each, in order; repeatable. The rows are taken in one order everywhere: two gateways that hear of
    the same bots must not wait for each other in a circle."""
    ordered = sorted(range(len(items)), key=lambda number: items[number][0].word.bot_id)
    found = {number: _write(connection, *items[number]) for number in ordered}
    return [found[number] for number in range(len(items))]


def _write(connection: Connection, handshake: Handshake, now: datetime) -> Connected:
    word = handshake.word
    session = begin_session(handshake.process, now, current_session(connection, word.bot_id))
    before = known_bot(connection, word.bot_id)
    unfinished = unfinished_runs(connection, word.bot_id) if before is None else before.unfinished
    lost = write_lost_runs(connection, word.bot_id, lost_at_handshake(unfinished, session), now)
    said = with_own_word(RestrictionFacts() if before is None else before.restrictions, word.facts, now)
    _write_row(connection, handshake, session, said, now)
    event = event_of_word(word, "bot_connected", word.facts.quarantined, now, external_ip=handshake.external_ip)
    write_bot_events(connection, [event])
    if before is None:
        events = _tell_first_standing(connection, event, now)
    else:
        events = tell_standing(connection, before.standing, said.at(now), event)
    return Connected(session=session, lost=lost, events=events)


def _write_row(
    connection: Connection, handshake: Handshake, session: Session, said: RestrictionFacts, now: datetime
) -> None:
    word = handshake.word
    row = {
        "bot_id": word.bot_id,
        "state": storable(dict(word.state)),
        "session": str(session),
        "external_ip": handshake.external_ip,
        "authenticated_as": AUTHENTICATED_AS,
        "first_seen_ts": now,
        "last_seen_ts": now,
        "shutdown_ts": None,
        **fact_columns(word.facts, said),
    }
    write_connected_bot(connection, row)


def _tell_first_standing(connection: Connection, event: BotEvent, now: datetime) -> Sequence[BotEvent]:
    known = known_bot(connection, event.bot_id)  # with what people had set of it before it came
    return [] if known is None else tell_standing(connection, known.standing, known.restrictions.at(now), event)
