"""What the bot gateway counts."""

from prometheus_client import Counter, Gauge

POLLS_HELD = Gauge(
    "swarming_botgateway_polls_held",
    "Rises when a poll begins to wait for work and falls when it is answered or its bot is gone.",
)
UPDATES = Counter(
    "swarming_botgateway_updates_total",
    "Rises with each update of a run that was decided: taken, or refused because the run is not this bot's.",
    ["outcome"],
)
OUTPUT_BYTES = Counter(
    "swarming_botgateway_output_bytes_total", "Rises by the bytes of output that an accepted update carried."
)
RUNS_HANDED_OUT = Counter(
    "swarming_botgateway_runs_handed_out_total",
    "Rises with each run that is given to its bot, in the answer to a poll or to the last update of another run.",
)
NEXT_RUNS = Counter(
    "swarming_botgateway_next_runs_total",
    "Rises with each run that is given to its bot in the answer to the last update of the run before, without a poll.",
)
RUNS_DECLINED = Counter(
    "swarming_botgateway_runs_declined_total",
    "Rises with each run sent back to its shard because its offer was closed with another answer.",
)
CALLS_DELAYED = Counter(
    "swarming_botgateway_calls_delayed_total",
    "Rises with each call whose answer is delayed because its bot calls more often than BOT_CALLS_PER_SECOND.",
)
UNKNOWN_FIELDS = Counter(
    "swarming_botgateway_unknown_fields_total",
    "Rises with each field in a bot's message that this server does not know and ignores; `field` is the call and the"
    " path, and `other` once a hundred different ones were counted.",
    ["field"],
)
RUNS_LOST = Counter(
    "swarming_botgateway_runs_lost_total",
    "Rises with each run whose bot came back without it.",
)
EVENTS_RELAYED = Counter(
    "swarming_botgateway_events_relayed_total",
    "Rises with each event of a bot that every queue of the bus has safely; a repeat counts again.",
)
