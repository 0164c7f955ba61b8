"""What a task request may hold: the limits of client-api-v1.md section 12, checked on the normalised form.

Every check raises InvalidInput with the path of the guilty field; what is sorted in the normalised form (dimensions,
environment) is named by its key.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from swarming_common.model import priority
from swarming_common.model.property_limits import SecondsRange, check_properties, expect, text_up_to
from swarming_common.model.request import TaskRequest, TaskSlice
from swarming_common.model.tags import RESERVED_TAG_KEY, is_tag

DAY = 24 * 3600
MAX_EXECUTION_SECS = 7 * DAY - 3600 - 60
MAX_EXPIRATION_SECS = 7 * DAY
MAX_PING_TOLERANCE_SECS = 1200
MAX_SLICES = 8
MAX_USER_TAGS = 256
MAX_SECRET_BYTES = 20_480
MAX_PUBSUB_LENGTH = 1024
MAX_NAME_LENGTH = 1024  # the reference names none; long enough for any name, short enough to list
MAX_IDENTITY_LENGTH = 256  # of `user` and `realm`, for which the reference names none either
POOL_TASK_TEMPLATES = ("AUTO", "CANARY_PREFER", "CANARY_NEVER", "SKIP")

SERVICE_ACCOUNTS = ("none", "bot")
"""Whose tokens bots need no server for. The reference also knows e-mail addresses, and here nobody mints their tokens:
a task that had one would fail at its first request for one."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The floors that an installation may lower, in seconds."""

    min_timeout_secs: int = 30
    """Of execution time-out, I/O time-out and expiration."""
    min_ping_tolerance_secs: int = 60


DEFAULT_LIMITS = Limits()


def check_request(
    request: TaskRequest, limits: Limits = DEFAULT_LIMITS, *, slices_path: str = "task_slices[{}]."
) -> None:
    """Raise InvalidInput unless this is a request that a user may make.

    `slices_path` is how the caller's dialect names the slice of a number, with the dot after it.
    """
    text_up_to("name", request.name, MAX_NAME_LENGTH, empty=False)
    text_up_to("user", request.user, MAX_IDENTITY_LENGTH)
    text_up_to("realm", request.realm, MAX_IDENTITY_LENGTH)
    expect(
        priority.HIGHEST <= request.priority <= priority.LOWEST,
        "priority",
        f"an integer from {priority.HIGHEST} to {priority.LOWEST}",
    )
    SecondsRange(limits.min_ping_tolerance_secs, MAX_PING_TOLERANCE_SECS).check(
        "bot_ping_tolerance_secs", request.bot_ping_tolerance_secs
    )
    expect(
        request.pool_task_template in POOL_TASK_TEMPLATES,
        "pool_task_template",
        f"one of {', '.join(POOL_TASK_TEMPLATES)}",
    )
    check_account(request.service_account)
    for field in ("pubsub_topic", "pubsub_auth_token", "pubsub_userdata"):
        text_up_to(field, getattr(request, field), MAX_PUBSUB_LENGTH)
    _check_slices(request.task_slices, limits, slices_path)


def check_account(account: str) -> None:
    """Raise InvalidInput unless a task may have this service account."""
    expect(account in SERVICE_ACCOUNTS, "service_account", "none or bot; this server has no tokens of other accounts")


def check_user_tags(tags: Sequence[str]) -> None:
    """Raise InvalidInput unless a user may give these tags."""
    expect(len(tags) <= MAX_USER_TAGS, "tags", f"at most {MAX_USER_TAGS} tags, got {len(tags)}")
    for number, tag in enumerate(tags):
        path = f"tags[{number}]"
        expect(is_tag(tag), path, "key:value, the key of 1 to 64 characters and the value of 1 to 256")
        expect(tag.partition(":")[0] != RESERVED_TAG_KEY, path, f"another key, {RESERVED_TAG_KEY} is reserved")


def common_secret(secrets: Sequence[bytes | None], *, slices_path: str = "task_slices[{}].") -> bytes | None:
    """The secret bytes of a task, which are the same in all its slices. Raises InvalidInput."""
    for number, secret in enumerate(secrets):
        path = slices_path.format(number) + "properties.secret_bytes"
        expect(
            secret is None or len(secret) <= MAX_SECRET_BYTES,
            path,
            f"at most {MAX_SECRET_BYTES} bytes, got {len(secret or b'')}",
        )
        expect(secret == secrets[0], path, "the same secret bytes in all slices")
    return secrets[0] if secrets else None


def _check_slices(slices: Sequence[TaskSlice], limits: Limits, slices_path: str) -> None:
    expect(1 <= len(slices) <= MAX_SLICES, "task_slices", f"1 to {MAX_SLICES} slices, got {len(slices)}")
    execution = SecondsRange(limits.min_timeout_secs, MAX_EXECUTION_SECS)
    expiration = SecondsRange(limits.min_timeout_secs, MAX_EXPIRATION_SECS)
    for number, one in enumerate(slices):
        path = slices_path.format(number)
        expiration.check(path + "expiration_secs", one.expiration_secs)
        check_properties(one.properties, execution, path + "properties.")
        _check_pool(one, slices[0], path + "properties.dimensions")
    total = sum(one.expiration_secs for one in slices)
    expect(
        total <= MAX_EXPIRATION_SECS,
        "task_slices",
        f"expirations of at most {MAX_EXPIRATION_SECS} s together, got {total}",
    )
    if len(slices) > 1:
        again = [one for one, times in Counter(slices).items() if times > 1]
        expect(not again, "task_slices", "slices that differ from each other")


def _check_pool(one: TaskSlice, first: TaskSlice, path: str) -> None:
    pools = [value for key, value in one.properties.dimensions if key == "pool"]
    expect(
        len(pools) == 1 and "|" not in pools[0],
        path,
        "pool, exactly once and without alternatives, such as pool=default",
    )
    wanted = [value for key, value in first.properties.dimensions if key == "pool"]
    expect(pools == wanted, path, "the same pool in all slices")
    ids = [value for key, value in one.properties.dimensions if key == "id"]
    expect(len(ids) <= 1, path, "at most one id")
