"""Who reacts to which hint."""

from collections.abc import Callable
from datetime import datetime
from itertools import chain, repeat
from typing import Any

from swarming_common.hints.scheduler import (
    BidAccepted,
    ChildSubmitted,
    OfferMade,
    OffersHeld,
    OfferWithdrawn,
    ParentEnded,
    RunDeclined,
    RunReported,
    RunsHeard,
    TaskSubmitted,
    WhyAsked,
)
from swarming_common.hints.wire import Hint
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.bid import accept_bid
from swarming_scheduler.usecases.children import note_child_elsewhere, parent_ended
from swarming_scheduler.usecases.explain import explain
from swarming_scheduler.usecases.hand_out import decline
from swarming_scheduler.usecases.offer import take_offer, take_offers, withdraw_offer
from swarming_scheduler.usecases.report import hear_of_run, take_report
from swarming_scheduler.usecases.take_in import take_in


def _hear_of_runs(state: ShardState, hint: RunsHeard, now: datetime) -> None:
    for (task_id, run_number), cost_usd in zip(hint.runs, chain(hint.costs_usd, repeat(None)), strict=False):
        hear_of_run(state, task_id, run_number, now, cost_usd)


HINTS: dict[type[Hint], Callable[[ShardState, Any, datetime], None]] = {
    TaskSubmitted: lambda state, hint, now: take_in(state, hint.task_id, hint.created_ts, hint.request, now),
    OfferMade: lambda state, hint, now: take_offer(state, hint.offer, now),
    OfferWithdrawn: lambda state, hint, now: withdraw_offer(state, hint.bot_id, hint.offer_id, now),
    BidAccepted: accept_bid,
    OffersHeld: lambda state, hint, now: take_offers(state, hint.gateway_id, hint.offers, hint.held, now),
    RunDeclined: lambda state, hint, now: decline(state, hint.task_id, hint.run_number, hint.offer_id, now),
    RunReported: lambda state, hint, now: take_report(
        state, hint.task_id, hint.run_number, hint.bot_id, hint.report, now
    ),
    RunsHeard: _hear_of_runs,
    ChildSubmitted: lambda state, hint, now: note_child_elsewhere(state, hint.parent_task_id, hint.shard),
    WhyAsked: lambda state, hint, now: explain(state, hint.question_id, hint.task_id, hint.reply_to),
    ParentEnded: lambda state, hint, now: parent_ended(state, hint.task_id, now),
}
"""A hint of another kind (CommandGiven and CommandsGiven, which say where to look) is the shard's own matter."""
