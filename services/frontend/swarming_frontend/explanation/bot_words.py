"""What is to be said of bots that match, and of those that nearly do."""

from collections.abc import Sequence
from datetime import datetime

from swarming_common.model.dimensions import Requirements
from swarming_frontend.explanation.amounts import counted, listed, roughly
from swarming_frontend.explanation.matching_bots import VALUES
from swarming_frontend.explanation.situation import BotStatus, FleetBot, MatchingBots, NearMiss, Reason

NAMED = 3
"""So many bots are named in a sentence."""

_IS = {
    BotStatus.DEAD: "dead",
    BotStatus.QUARANTINED: "quarantined",
    BotStatus.MAINTENANCE: "in maintenance",
    BotStatus.BUSY: "busy",
    BotStatus.IDLE: "free",
}


def dimensions_text(asked: Requirements) -> str:
    """`os=Linux, pool=default`."""
    return ", ".join(f"{key}={value}" for key, value in asked)


def about_unusable(bots: MatchingBots, now: datetime) -> str:
    """Why none of the bots that match takes tasks; a sentence without its end."""
    by_status = [(status, bots.counts[status]) for status in BotStatus if not status.is_usable and bots.counts[status]]
    if bots.unusable == 1:
        status = by_status[0][0]
        bot = bots.examples[status][0]
        return f"The only bot that matches, {bot.bot_id}, is {_IS[status]}{_details(bot, now)}"
    if len(by_status) == 1:
        status, count = by_status[0]
        all_of_them = "Both bots" if count == 2 else f"All {counted(count, 'bot')}"
        return f"{all_of_them} that match are {_IS[status]} ({names(bots.examples[status], count)})"
    parts = [f"{count:,} {'is' if count == 1 else 'are'} {_IS[status]}" for status, count in by_status]
    return f"None of the {counted(bots.unusable, 'bot')} that match takes tasks: {listed(parts)}"


def about_busy(bots: MatchingBots) -> str:
    """That all usable bots have a run; a sentence without its end."""
    count = bots.counts[BotStatus.BUSY]
    if count == 1:
        return f"The only bot that can run it, {bots.examples[BotStatus.BUSY][0].bot_id}, is busy"
    return f"{'Both' if count == 2 else f'All {count:,}'} bots that can run it are busy"


def reasons_of_bots(bots: MatchingBots, now: datetime) -> list[Reason]:
    """A reason for each status that bots which match have."""
    found = []
    for status in reversed(BotStatus):
        count = bots.counts[status]
        if count:
            text = f"{counted(count, 'bot')} that {'matches is' if count == 1 else 'match are'} {_IS[status]}: "
            found.append(Reason(f"bots_{status}", text + names(bots.examples[status], count, now)))
    return found


def near_miss_text(miss: NearMiss) -> str:
    """`3 bots match all but os=Windows; they have os=Linux`."""
    one = miss.count == 1
    lacks = listed([f"{key}={value}" for key, value in miss.missing])
    has = listed([_instead(key, lists) for key, lists in miss.instead])
    start = f"{counted(miss.count, 'bot')} {'matches' if one else 'match'} all but {lacks}"
    return f"{start}; {'it has' if one else 'they have'} {has}" if has else start


def names(examples: Sequence[FleetBot], count: int, now: datetime | None = None) -> str:
    """`bot-1, bot-2, bot-3 and 4 more`; given the time, with what is wrong with each."""
    shown = [one.bot_id + ("" if now is None else _details(one, now)) for one in examples[:NAMED]]
    return ", ".join(shown) + (f" and {count - len(shown):,} more" if count > len(shown) else "")


def _details(bot: FleetBot, now: datetime) -> str:
    if bot.status is BotStatus.DEAD:
        return f" (last heard of {roughly((now - bot.last_seen_ts).total_seconds())} ago)"
    return f" ({bot.note})" if bot.note else ""


def _instead(key: str, lists: Sequence[Sequence[str]]) -> str:
    shown = [f"{key}={'|'.join(values)}" if values else f"no {key}" for values in lists[:VALUES]]
    return listed([*shown, "others"] if len(lists) > VALUES else shown, "or")
