"""Why no bot could run a task, in words."""

from collections import Counter
from datetime import datetime

from swarming_common.model.dimensions import Requirements, asked_ids, matches, pool_of
from swarming_scheduler.capacity import Capacity, without_id


def shortfall(capacity: Capacity, asked: Requirements, seen_after: datetime | None) -> str:
    """What is missing, and what comes nearest. To be asked only when no live bot matches."""
    words = capacity.shortfalls.get(asked)
    if words is None:
        words = capacity.shortfalls[asked] = _words(capacity, asked, seen_after)
    return words


def _words(capacity: Capacity, asked: Requirements, seen_after: datetime | None) -> str:
    if asked_ids(asked):
        return _of_named_bots(capacity, asked, seen_after)
    pool = pool_of(asked)
    wanted = tuple(pair for pair in asked if pair[0] != "pool")
    live: Counter[Requirements] = Counter()
    """How many live bots lack just these."""
    known = dead_matches = 0
    for kind in capacity.kinds(pool):
        lacks = tuple(pair for pair in wanted if not matches((pair,), kind.dimensions))
        alive = kind.count_live(seen_after)
        known += len(kind.members)
        live[lacks] += alive
        dead_matches += 0 if lacks else len(kind.members) - alive
    live = +live
    if not live:
        return f"no bot is in pool {pool}" if not known else f"{_bots(known)} of pool {pool}: all dead"
    return _nearest(wanted, live, pool) + _dead(dead_matches)


def _of_named_bots(capacity: Capacity, asked: Requirements, seen_after: datetime | None) -> str:
    return ", ".join(_of_named_bot(capacity, bot_id, asked, seen_after) for bot_id in asked_ids(asked))


def _of_named_bot(capacity: Capacity, bot_id: str, asked: Requirements, seen_after: datetime | None) -> str:
    kind = capacity.kind_of(bot_id)
    if kind is None:
        return f"there is no bot {bot_id}"
    lacks = tuple(pair for pair in without_id(asked) if not matches((pair,), kind.dimensions))
    if lacks:
        return f"bot {bot_id} lacks {_pairs(lacks)}"
    return f"bot {bot_id} is dead"


def _nearest(wanted: Requirements, live: Counter[Requirements], pool: str | None) -> str:
    everywhere = tuple(pair for pair in wanted if all(pair in lacks for lacks in live))
    among = f"the {_bots(sum(live.values()))} of pool {pool}" if sum(live.values()) > 1 else f"1 bot of pool {pool}"
    if everywhere:
        text = f"no live bot has {_pairs(everywhere)} among {among}"
    else:
        text = f"no live bot has all of {_pairs(wanted)} among {among}"
    fewest, count = min(live.items(), key=lambda one: (len(one[0]), -one[1], one[0]))
    if len(fewest) == len(wanted):
        return text
    return f"{text}; {_bots(count)} {'lacks' if count == 1 else 'lack'} only {_pairs(fewest)}"


def _dead(count: int) -> str:
    return f"; {_bots(count)} with all of it {'is' if count == 1 else 'are'} dead" if count else ""


def _bots(count: int) -> str:
    return "1 bot" if count == 1 else f"{count} bots"


def _pairs(pairs: Requirements) -> str:
    return " and ".join(f"{key}={value}" for key, value in pairs)
