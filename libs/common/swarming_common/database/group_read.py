"""Group read: what callers ask while a query is under way is asked in the next one, together."""

from collections.abc import Sequence

from swarming_common.database.group_commit import HotGroupCommit, Item, Result


class GroupRead(HotGroupCommit[Item, Result]):
    """As a group commit of hot batches, for batches that write nothing. What a caller is told was so after it asked."""

    async def _once(self, items: Sequence[Item]) -> Sequence[Result]:
        return await self._database.read_hot(self._batch(items))
