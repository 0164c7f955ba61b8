"""`make bench-size`: how many bytes a finished task takes in PostgreSQL, by table and index.

Real bots carry out a thousand tasks that run `true`, and as many with a request such as people write, on the
distributed form. Then every table is measured twice: as it stands, with what updates left behind, and after it was
written anew (VACUUM FULL). What the tables held before the tasks is taken off, and the
tables of bots are left out. Writes build/bench/size.json.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.benchmarks.distributed import distributed
from tests.cluster.cluster import Cluster
from tests.cluster.flood import submit

REPORT = Path("build/bench/size.json")
BOTS = 16
PATIENCE_SECONDS = 600.0
TARGET_BYTES = 2048
"""Of a task that runs `true`, after VACUUM FULL."""

PLAIN: dict[str, Any] = {
    "command": ["true"],
    "dimensions": [{"key": "pool", "value": "default"}],
    "execution_timeout_secs": 60,
}
USUAL: dict[str, Any] = {
    "command": ["true", "-u", "tools/run_tests.py", "--shard", "7", "--of", "20", "--output", "${ISOLATED_OUTDIR}"],
    "dimensions": [{"key": key, "value": value} for key, value in (("pool", "default"), ("os", "Linux"))],
    "env": [{"key": f"SETTING_{number}", "value": f"/opt/toolchain/value/{number}"} for number in range(6)],
    "env_prefixes": [{"key": "PATH", "value": ["bin", "tools"]}],
    "execution_timeout_secs": 3600,
    "io_timeout_secs": 600,
    "grace_period_secs": 30,
}
TAGS = [f"{key}:{value}" for key, value in (("project", "swarming"), ("builder", "linux-rel"), ("build", "8812345"))]

_SIZES = """
SELECT t.relname AS table_name, 'heap' AS part, pg_relation_size(t.oid) AS bytes
FROM pg_class t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
UNION ALL
SELECT t.relname, 'toast', pg_total_relation_size(t.reltoastrelid)
FROM pg_class t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace AND t.reltoastrelid <> 0
UNION ALL
SELECT t.relname, i.relname, pg_relation_size(i.oid)
FROM pg_class t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE t.relnamespace = 'public'::regnamespace
"""
PER_BOT = ("bot", "bot_event", "bot_event_relay")
"""Tables that grow with the bots, not with the tasks: left out."""

Sizes = Mapping[tuple[str, str], int]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Bytes a task. `parts` is by table and part of it (heap, toast, an index), written anew."""

    request: str
    tasks: int
    as_it_stands: float
    written_anew: float
    wal: float
    parts: dict[str, float]


def main() -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    requests = {"true": _body(PLAIN, []), "usual": _body(USUAL, TAGS)}
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--request", choices=sorted(requests), action="append", help="only this kind of request")
    args = parser.parse_args()
    figures = []
    for name in args.request or requests:
        body = requests[name]
        with distributed(settings={"SWARMING_LOG_LEVEL": "warning"}) as cluster:
            figures.append(_measure(cluster, name, body, args.tasks))
    _show(figures)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return 0


def _body(properties: Mapping[str, Any], tags: list[str]) -> dict[str, Any]:
    slices = [{"expiration_secs": 3600, "properties": properties, "wait_for_capacity": True}]
    return {"name": "a task of the benchmark", "priority": 100, "tags": tags, "task_slices": slices}


def _measure(cluster: Cluster, name: str, body: dict[str, Any], tasks: int) -> Figures:
    cluster.start_bots(BOTS)
    cluster.wait_for_bots(BOTS)
    return asyncio.run(_run(cluster, name, body, tasks))


async def _run(cluster: Cluster, name: str, body: dict[str, Any], tasks: int) -> Figures:
    connection = await asyncpg.connect(cluster.settings["SWARMING_DATABASE_URL"])
    try:
        before, wal = await _sizes(connection, anew=True), await connection.fetchval("SELECT pg_current_wal_lsn()")
        await submit([cluster.ports["frontend-1"]], body, tasks)
        await _until_all_ended(connection, tasks)
        written = await connection.fetchval("SELECT pg_current_wal_lsn() - $1::pg_lsn", wal)
        stands = await _sizes(connection, anew=False)
        anew = await _sizes(connection, anew=True)
    finally:
        await connection.close()
    parts = {" ".join(key): (anew[key] - before.get(key, 0)) / tasks for key in anew}
    return Figures(
        request=name,
        tasks=tasks,
        as_it_stands=sum(stands[key] - before.get(key, 0) for key in stands) / tasks,
        written_anew=sum(parts.values()),
        wal=float(written) / tasks,
        parts={key: size for key, size in parts.items() if size > 0},
    )


async def _until_all_ended(connection: Any, tasks: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await connection.fetchval("SELECT count(*) FROM task_result WHERE completed_ts IS NOT NULL") < tasks:
        if time.monotonic() > deadline:
            raise SystemExit(f"the tasks had not ended after {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(0.2)


async def _sizes(connection: Any, *, anew: bool) -> Sizes:
    if anew:
        await connection.execute("VACUUM FULL ANALYZE")
    return {
        (row["table_name"], row["part"]): row["bytes"]
        for row in await connection.fetch(_SIZES)
        if row["table_name"] not in PER_BOT
    }


def _show(figures: list[Figures]) -> None:
    print(f"{'bytes a task':44}" + "".join(f"{one.request:>12}" for one in figures))
    for part in sorted({part for one in figures for part in one.parts}):
        print(f"{part:44}" + "".join(f"{one.parts.get(part, 0.0):12.0f}" for one in figures))
    print(f"{'in all, written anew':44}" + "".join(f"{one.written_anew:12.0f}" for one in figures))
    print(f"{'in all, as it stands':44}" + "".join(f"{one.as_it_stands:12.0f}" for one in figures))
    print(f"{'write-ahead log':44}" + "".join(f"{one.wal:12.0f}" for one in figures))
    print(f"Target for a task that runs true: {TARGET_BYTES}, written anew.")


if __name__ == "__main__":
    sys.exit(main())
