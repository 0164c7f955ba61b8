"""States in queries."""

from sqlalchemy import ColumnElement, literal_column

from swarming_common.model.states import TaskState


def as_a_word(state: TaskState) -> ColumnElement[int]:
    """As a word of the statement, for the planner: the indexes of live tasks and runs are for certain states only."""
    return literal_column(str(int(state)))
