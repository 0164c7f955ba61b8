"""`task_output`: what runs printed, by byte offset."""

from sqlalchemy import Connection, func, select

from swarming_common.database.tables import task_output
from swarming_common.model.task_id import TaskId

_output = task_output.c


def read_output(connection: Connection, task_id: TaskId, run_number: int, offset: int, length: int) -> bytes:
    """At most `length` bytes from `offset` on; a hole before a later chunk reads as NUL bytes.

    Relies on chunks that do not overlap: a bot repeats a chunk at the same offset or goes on after it.
    """
    end = offset + length
    of_run = (_output.task_id == task_id, _output.run_number == run_number)
    first = select(func.max(_output.start)).where(*of_run, _output.start <= offset).scalar_subquery()
    chunks = connection.execute(
        select(_output.start, _output.content)
        .where(*of_run, _output.start >= func.coalesce(first, 0), _output.start < end)
        .order_by(_output.start)
    )
    found = bytearray()
    for start, content in chunks:
        skipped = max(offset - start, 0)
        piece = content[skipped : end - start]
        if piece:
            found.extend(bytes(start + skipped - offset - len(found)))
            found.extend(piece)
    return bytes(found)
