"""A task that prints as much as is kept, in one line of arbitrary bytes: all of it arrives, in little memory."""

import hashlib
import sys
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, select

from swarming_client import NewTask
from swarming_common.database.tables import task_output
from swarming_common.model.task_id import parse_task_id
from tests.cluster import Deployment

BLOCKS, BLOCK = 100, 1 << 20
SOON = 100.0
"""Seconds; some five on an idle machine."""
MOST_MORE_MEMORY = 48 << 20
"""Half of what goes through each process, and several times what one needs for it."""

PRINT = f"""
import random, sys
numbers = random.Random(7)
for _ in range({BLOCKS}):
    sys.stdout.buffer.write(numbers.randbytes({BLOCK}).replace(b"\\n", b"\\0"))
"""


@pytest.mark.timeout(180)
def test_a_hundred_mebibytes_of_binary_output_without_a_newline_arrive(swarming: Deployment):
    client = swarming.client()
    programs = swarming.services | swarming.bots
    pids = {name: one.pid for name, one in programs.items() if one.is_running and "frontend" not in name}
    before = {name: memory(pid) for name, pid in pids.items()}

    task = client.new_task(NewTask(command=[sys.executable, "-c", PRINT], wait_for_capacity=True)).task_id
    result = client.wait(task, timeout_secs=SOON)
    more = {name: highest_memory(pid) - before[name] for name, pid in pids.items()}
    stored = swarming.read(lambda connection: output_of(connection, task))

    numbers, expected = Random(7), hashlib.sha256()
    for _ in range(BLOCKS):
        expected.update(numbers.randbytes(BLOCK).replace(b"\n", b"\0"))
    assert (result.state, result.exit_code) == ("COMPLETED", 0)
    assert stored == (BLOCKS * BLOCK, expected.hexdigest())
    assert {name: one for name, one in more.items() if one > MOST_MORE_MEMORY} == {}


def output_of(connection: Connection, task_id: str) -> tuple[int, str]:
    """How many bytes there are without a hole, and their hash."""
    size, digest = 0, hashlib.sha256()
    columns = task_output.c
    starts = select(columns.start).where(columns.task_id == parse_task_id(task_id)).order_by(columns.start)
    for start in connection.execute(starts).scalars().all():
        one = select(columns.content).where(columns.task_id == parse_task_id(task_id), columns.start == start)
        content = connection.execute(one).scalar_one()
        if start != size:
            break
        size += len(content)
        digest.update(content)
    return size, digest.hexdigest()


def memory(pid: int) -> int:
    """Resident now, in bytes; from now on the highest is counted anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def highest_memory(pid: int) -> int:
    """The most that was resident since."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
