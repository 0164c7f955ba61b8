"""What stands before a task, counted without a database."""

import json
from datetime import UTC, datetime

from swarming_common.model.dimensions import requirements
from swarming_common.model.task_id import TaskId
from swarming_frontend.explanation.matching_bots import look_over
from swarming_frontend.explanation.situation import BotStatus, FleetBot
from swarming_frontend.store.pending_ahead import PendingAhead
from swarming_frontend.usecases.why import other_queues, place_counted


def test_tasks_of_other_queues_count_if_our_bots_could_run_them():
    ours, any_bot, other_bots = (
        requirements({"pool": "default", **more}.items()) for more in ({"os": "Linux"}, {}, {"os": "Mac"})
    )
    ahead = PendingAhead(
        tasks=[(TaskId(n), 100, asked) for n, asked in enumerate([ours, any_bot, other_bots, any_bot])], is_least=True
    )
    dimensions = json.dumps({"id": ["b"], "pool": ["default"], "os": ["Linux"]})
    bots = look_over([_a_fleet_bot(dimensions)], [ours])[0]

    others, place = other_queues([ahead], ours, bots), place_counted(ahead, ours, 100)

    assert (others.ahead, others.is_least) == (2, True)
    assert (place.rank, place.ahead_by_age, place.next_up) == (2, 1, (TaskId(0),))


def _a_fleet_bot(dimensions: str):
    return FleetBot(bot_id="b", dimensions=dimensions, last_seen_ts=datetime.now(UTC), status=BotStatus.BUSY)
