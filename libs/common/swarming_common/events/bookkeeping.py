"""What a consumer of events remembers: how far it has come in each shard, and which events it set aside."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, or_, select, update

from swarming_common.database.dialects import insert_for
from swarming_common.database.tables import task_event


class Bookkeeping:
    """Named queries on a consumer's two tables, which have the columns `shard` and `seq`."""

    def __init__(self, dialect: str, cursors: Table, parked: Table) -> None:
        # Made once: making a statement takes longer than running it.
        of_shard = cursors.c.shard == bindparam("of_shard")
        self._begin = insert_for(dialect, cursors).on_conflict_do_nothing()
        self._cursor = select(cursors.c.seq).where(of_shard)
        self._lock = self._cursor.with_for_update()
        self._move = update(cursors).where(of_shard).values(seq=bindparam("to_seq"))
        these = and_(parked.c.shard == bindparam("of_shard"), parked.c.seq.in_(bindparam("seqs", expanding=True)))
        self._note = insert_for(dialect, parked).on_conflict_do_nothing()
        self._noted = select(parked.c.seq).where(these)
        self._forget = delete(parked).where(these)
        same_shard = parked.c.shard == bindparam("of_shard")
        self._noted_rows = (
            select(task_event)
            .join(parked, and_(parked.c.shard == task_event.c.shard, parked.c.seq == task_event.c.seq))
            .where(or_(parked.c.shard > bindparam("of_shard"), and_(same_shard, parked.c.seq > bindparam("after"))))
            .order_by(parked.c.shard, parked.c.seq)
            .limit(bindparam("most"))
        )

    def lock(self, connection: Connection, shard: int) -> int:
        """The last number that was worked on; whoever reads it has the shard to itself until the commit."""
        connection.execute(self._begin, {"shard": shard, "seq": 0})
        return int(connection.execute(self._lock, {"of_shard": shard}).scalar_one())

    def cursor(self, connection: Connection, shard: int) -> int:
        """The same, only to look."""
        return int(connection.execute(self._cursor, {"of_shard": shard}).scalar_one_or_none() or 0)

    def move(self, connection: Connection, shard: int, to_seq: int) -> None:
        """Everything up to this number was worked on, or set aside."""
        connection.execute(self._move, {"of_shard": shard, "to_seq": to_seq})

    def note(self, connection: Connection, shard: int, seqs: Iterable[int]) -> None:
        """These were set aside."""
        if rows := [{"shard": shard, "seq": seq} for seq in seqs]:
            connection.execute(self._note, rows)

    def noted(self, connection: Connection, shard: int, seqs: Iterable[int]) -> set[int]:
        """Those of these that were set aside."""
        return set(connection.execute(self._noted, {"of_shard": shard, "seqs": list(seqs)}).scalars())

    def forget(self, connection: Connection, shard: int, seqs: Collection[int]) -> None:
        """These are set aside no more."""
        connection.execute(self._forget, {"of_shard": shard, "seqs": list(seqs)})

    def noted_rows(self, shard: int, seq: int, most: int, connection: Connection) -> Sequence[Row[Any]]:
        """The rows of what was set aside, from behind this event on."""
        return connection.execute(self._noted_rows, {"of_shard": shard, "after": seq, "most": most}).all()
