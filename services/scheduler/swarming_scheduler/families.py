"""Which live tasks end with which: children with their parents, unless a request says otherwise."""

from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import dataclass, field
from itertools import islice

from swarming_common.model.task_id import TaskId


@dataclass(slots=True)
class Families:
    """What a shard knows of parents and children; only children that end with their parents count."""

    children: dict[TaskId, dict[TaskId, None]] = field(default_factory=dict)
    """The live tasks of this shard, by parent."""
    elsewhere: "OrderedDict[TaskId, None]" = field(default_factory=OrderedDict)
    """Parents that are no live tasks of this shard, to be looked up in the tables, the longest not looked up first."""
    has_new: bool = False
    """Whether a parent elsewhere was never looked up."""
    child_shards: dict[TaskId, set[int]] = field(default_factory=dict)
    """Other shards that have children of a live task of this one, as far as a hint told."""
    orphans: deque[TaskId] = field(default_factory=deque)
    """Children that are still to be ended."""
    is_ending: bool = False
    """Whether orphans are being ended just now; who else finds some leaves them to that."""

    def add(self, task_id: TaskId, parent: TaskId | None, live: Container[TaskId]) -> None:
        """A task begins to be live here."""
        self.elsewhere.pop(task_id, None)
        if parent is None:
            return
        self.children.setdefault(parent, {})[task_id] = None
        if parent not in live and parent not in self.elsewhere:
            self.elsewhere[parent] = None
            self.elsewhere.move_to_end(parent, last=False)
            self.has_new = True

    def remove(self, task_id: TaskId, parent: TaskId | None) -> None:
        """A task is not live here any more; its own children are now those of a parent elsewhere."""
        self.child_shards.pop(task_id, None)
        if task_id in self.children:
            self.elsewhere[task_id] = None
        siblings = self.children.get(parent) if parent is not None else None
        if parent is None or siblings is None:
            return
        siblings.pop(task_id, None)
        if not siblings:
            del self.children[parent]
            self.elsewhere.pop(parent, None)

    def to_look_up(self, limit: int) -> list[TaskId]:
        """The next parents elsewhere; each has its turn."""
        self.has_new = False
        found = list(islice(self.elsewhere, limit))
        for parent in found:
            self.elsewhere.move_to_end(parent)
        return found
