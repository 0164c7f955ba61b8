"""The settings of pools, as every reader of them sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from swarming_common.model.task_id import LAST_RUN_NUMBER

MAX_TASK_RETRIES = LAST_RUN_NUMBER - 1
"""A task has room for so many runs after its first."""


class Order(StrEnum):
    """Who goes first among tasks of one priority."""

    FIFO = "fifo"
    """The oldest."""
    LIFO = "lifo"
    """The newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """What holds for the tasks of one pool."""

    order: Order = Order.FIFO
    task_retries: int = 1
    """How often a task is tried again after its bot was lost: 0 to MAX_TASK_RETRIES."""
    max_pending: int | None = None
    """How many tasks may wait before new ones are refused, about; None for no limit."""


class Pools(Protocol):
    """The settings of all pools as they are now. Asking does no I/O, and gives an answer for every name: a pool exists
    as soon as a bot or a task names it."""

    def of(self, pool: str) -> PoolSettings:
        """The settings of this pool; `""` stands for no pool."""

    @property
    def has_limits(self) -> bool:
        """Whether any pool has a `max_pending`."""


@dataclass(frozen=True, slots=True)
class FixedPools:
    """Settings that never change: those of the pools named, and one for all others."""

    default: PoolSettings = field(default_factory=PoolSettings)
    named: Mapping[str, PoolSettings] = field(default_factory=dict)

    def of(self, pool: str) -> PoolSettings:
        """The settings of this pool."""
        return self.named.get(pool, self.default)

    @property
    def has_limits(self) -> bool:
        """Whether any pool has a `max_pending`."""
        return any(one.max_pending is not None for one in (self.default, *self.named.values()))
