"""Tags: `key:value` texts by which tasks are found, the user's own and the automatic ones."""

from collections.abc import Iterable

from swarming_common.model.dimensions import alternatives
from swarming_common.model.request import TaskRequest

MAX_KEY_LENGTH = 64
MAX_VALUE_LENGTH = 256
RESERVED_TAG_KEY = "swarming.terminate"
TERMINATION_TAG = f"{RESERVED_TAG_KEY}:1"


def is_tag(text: str) -> bool:
    """Whether this is `key:value` within the limits; the value may hold colons."""
    key, colon, value = text.partition(":")
    return bool(colon) and 0 < len(key) <= MAX_KEY_LENGTH and 0 < len(value) <= MAX_VALUE_LENGTH


def with_automatic_tags(user_tags: Iterable[str], request: TaskRequest) -> tuple[str, ...]:
    """The user's tags and what the request itself says (client-api-v1.md section 12), each once, sorted."""
    return tuple(sorted({*user_tags, *_automatic(request)}))


def _automatic(request: TaskRequest) -> Iterable[str]:
    yield f"priority:{request.priority}"
    yield f"realm:{request.realm or 'none'}"
    yield f"service_account:{request.service_account or 'none'}"
    yield f"user:{request.user or 'none'}"
    yield f"authenticated:{request.authenticated}"
    # until pools have configurations
    yield f"swarming.pool.template:{'no_config' if request.pool else 'no_pool'}"
    if request.parent_run_id:
        yield f"parent_task_id:{request.parent_run_id}"
    for one in request.task_slices:
        for key, value in one.properties.dimensions:
            for choice in alternatives(value):
                yield f"{key}:{choice}"
