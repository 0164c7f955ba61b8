"""Query parameters, checked and named; unknown ones are tolerated (client-api-v1.md section 1)."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter

from swarming_common.errors import InvalidInput
from swarming_common.model.task_id import InvalidTaskId, TaskId, parse_task_id, run_number_of
from swarming_frontend.store.bot_history import HistoryPlace, HistorySpan
from swarming_frontend.store.bot_runs import RunPlace
from swarming_frontend.store.task_lists import StateFilter, TaskFilter, TaskPlace, TaskSort
from swarming_frontend.usecases.list_bots import WhichBots
from swarming_frontend.waiting import MAX_WAIT_SECONDS

E = TypeVar("E", bound=Enum)

DEFAULT_PAGE = 200
LARGEST_PAGE = 1000
MAX_FILTERS = 32  # tags or dimensions in one list: each makes the query longer
MAX_FILTER_LENGTH = 1024  # of one of them, with its alternatives
LAST_SECOND = 253402300799.0  # the end of the year 9999, the last that a timestamp can hold

TASK_PLACE = TypeAdapter(TaskPlace)
BOT_PLACE = TypeAdapter(str)
RUN_PLACE = TypeAdapter(RunPlace)
HISTORY_PLACE = TypeAdapter(HistoryPlace)


class ThreeState(Enum):
    """A filter that lets both kinds through by default."""

    FALSE = 1
    TRUE = 2
    NONE = 3

    @property
    def wanted(self) -> bool | None:
        """None for both kinds."""
        return {"TRUE": True, "FALSE": False}.get(self.name)


def _by_name(kind: type[E]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            if value not in kind.__members__:
                raise ValueError(f"expected one of {', '.join(kind.__members__)}")
            return kind[value]
        return value

    return read


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("expected a text without NUL characters")
    return value


def _key_value(value: str) -> str:
    key, colon, rest = _text(value).partition(":")
    if not (key and colon and rest) or len(value) > MAX_FILTER_LENGTH:
        raise ValueError(f"expected key:value, of at most {MAX_FILTER_LENGTH} characters")
    return value


Text = Annotated[str, AfterValidator(_text)]
KeyValues = Annotated[list[Annotated[str, AfterValidator(_key_value)]], Field(max_length=MAX_FILTERS)]
Seconds = Annotated[float, Field(ge=0, le=LAST_SECOND, allow_inf_nan=False)]
PageSize = Annotated[int, Field(ge=1, le=LARGEST_PAGE)]
States = Annotated[StateFilter, BeforeValidator(_by_name(StateFilter))]
Sorts = Annotated[TaskSort, BeforeValidator(_by_name(TaskSort))]
Three = Annotated[ThreeState, BeforeValidator(_by_name(ThreeState))]
WaitSeconds = Annotated[float, Field(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False)]
ByteCount = Annotated[int, Field(ge=0, le=2**53)]

TaskIdText = Annotated[str, Path(description="The id of a task, or of one of its runs.")]
BotIdText = Annotated[Text, Path(description="The id of a bot.")]


class TasksQuery(BaseModel):
    """Which tasks, and which page of them."""

    limit: PageSize = DEFAULT_PAGE
    cursor: Text | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    state: States = StateFilter.ALL
    tags: KeyValues = []
    sort: Sorts = TaskSort.CREATED_TS
    include_performance_stats: bool = False

    def wanted(self) -> TaskFilter:
        """The filter that this asks for."""
        return TaskFilter(
            state=self.state,
            tags=tuple(self.tags),
            start=from_epoch(self.start),
            end=from_epoch(self.end),
            sort=self.sort,
        )


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: PageSize = DEFAULT_PAGE
    cursor: Text | None = None


class CountQuery(BaseModel):
    """Which tasks to count."""

    start: Seconds
    end: Seconds | None = None
    state: States = StateFilter.ALL
    tags: KeyValues = []

    def wanted(self) -> TaskFilter:
        """The filter that this asks for."""
        return TaskFilter(
            state=self.state, tags=tuple(self.tags), start=from_epoch(self.start), end=from_epoch(self.end)
        )


class StatesQuery(BaseModel):
    """Whose states are asked for."""

    task_id: Annotated[list[str], Field(min_length=1, max_length=LARGEST_PAGE)]


class ResultQuery(BaseModel):
    """How a result is asked for."""

    include_performance_stats: bool = False
    wait_secs: WaitSeconds = 0.0


class OutputQuery(BaseModel):
    """Which bytes of the output; a length of 0 means as many as fit an answer."""

    offset: ByteCount = 0
    length: ByteCount = 0
    wait_secs: WaitSeconds | None = None


class BotsQuery(BaseModel):
    """Which bots, and which page of them."""

    limit: PageSize = DEFAULT_PAGE
    cursor: Text | None = None
    dimensions: KeyValues = []
    quarantined: Three = ThreeState.NONE
    in_maintenance: Three = ThreeState.NONE
    is_dead: Three = ThreeState.NONE
    is_busy: Three = ThreeState.NONE

    def wanted(self) -> WhichBots:
        """The filter that this asks for."""
        return WhichBots(
            dimensions=key_value_pairs(self.dimensions),
            quarantined=self.quarantined.wanted,
            in_maintenance=self.in_maintenance.wanted,
            is_dead=self.is_dead.wanted,
            is_busy=self.is_busy.wanted,
        )


class BotTasksQuery(BaseModel):
    """Which runs of a bot, and which page of them."""

    limit: PageSize = DEFAULT_PAGE
    cursor: Text | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    state: States = StateFilter.ALL
    sort: Sorts = TaskSort.CREATED_TS
    include_performance_stats: bool = False

    def wanted(self) -> TaskFilter:
        """The filter that this asks for."""
        return TaskFilter(state=self.state, start=from_epoch(self.start), end=from_epoch(self.end), sort=self.sort)


class BotEventsQuery(BaseModel):
    """Which events of a bot, and which page of them."""

    limit: PageSize = DEFAULT_PAGE
    cursor: Text | None = None
    start: Seconds | None = None
    end: Seconds | None = None

    def wanted(self) -> HistorySpan:
        """The span that this asks for."""
        return HistorySpan(start=from_epoch(self.start), end=from_epoch(self.end))


class BotDimensionsQuery(BaseModel):
    """Of which pool; of all without one."""

    pool: Text | None = None


class BotsCountQuery(BaseModel):
    """Which bots to count."""

    dimensions: KeyValues = []

    def wanted(self) -> WhichBots:
        """The filter that this asks for."""
        return WhichBots(dimensions=key_value_pairs(self.dimensions))


TasksParameters = Annotated[TasksQuery, Query()]
PageParameters = Annotated[PageQuery, Query()]
CountParameters = Annotated[CountQuery, Query()]
StatesParameters = Annotated[StatesQuery, Query()]
ResultParameters = Annotated[ResultQuery, Query()]
OutputParameters = Annotated[OutputQuery, Query()]
BotsParameters = Annotated[BotsQuery, Query()]
BotsCountParameters = Annotated[BotsCountQuery, Query()]
BotTasksParameters = Annotated[BotTasksQuery, Query()]
BotEventsParameters = Annotated[BotEventsQuery, Query()]
BotDimensionsParameters = Annotated[BotDimensionsQuery, Query()]


def task_and_run(text: str) -> tuple[TaskId, int | None]:
    """The task that an id names, and the run if it is a run's. Raises InvalidInput."""
    try:
        return parse_task_id(text), run_number_of(text)
    except InvalidTaskId as error:
        raise InvalidInput("task_id", f"expected the id of a task or a run ({error})") from error


def from_epoch(seconds: float | None) -> datetime | None:
    """The moment of so many seconds since the Unix epoch."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def key_value_pairs(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Texts `key:value` as pairs."""
    return tuple((key, value) for key, _, value in (one.partition(":") for one in texts))
