"""`task_output`: what runs printed, by byte offset."""

from sqlalchemy import Connection, func, select

from swarming_common.database.tables import task_output
from swarming_common.model.output import LARGEST_CHUNK_BYTES
from swarming_common.model.task_id import TaskId

_output = task_output.c


def read_output(connection: Connection, task_id: TaskId, run_number: int, offset: int, length: int) -> bytes:
    """At most `length` bytes from `offset` on; a hole before a later chunk reads as NUL bytes, and where chunks
    overlap the one that begins first counts."""
    end = offset + length
    chunks = connection.execute(
        select(_output.start, _output.content)
        .where(
            _output.task_id == task_id,
            _output.run_number == run_number,
            _output.start > offset - LARGEST_CHUNK_BYTES,
            _output.start < end,
            _output.start + func.length(_output.content) > offset,
        )
        .order_by(_output.start)
    )
    found = bytearray()
    for start, content in chunks:
        reached = offset + len(found)
        piece = content[max(reached - start, 0) : end - start]
        if piece:
            found.extend(bytes(max(start - reached, 0)))
            found.extend(piece)
    return bytes(found)
