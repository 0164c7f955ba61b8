"""`make bench-latency`: from a submission to the start of its process, on an idle system.

One task after the other, each with a pause before and after its submission; the process stamps its own start
(`date +%s.%N`), and the yardstick is measured with the same pauses. The client and the bots talk to the services' own
ports, the services to the servers' own: no proxy between. Writes build/bench/latency.json.
"""

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from swarming_client import NewTask
from tests.benchmarks.distributed import distributed
from tests.benchmarks.yardstick import Yardstick, measure, ms, percentile
from tests.cluster.standalone import Standalone

REPORT = Path("build/bench/latency.json")
PAUSE_SECONDS = 0.1
"""Longer than events lag behind, so that each task finds the system idle."""
WARM_UP_TASKS = 20
BOTS = 2
TARGETS = {"embedded": (0.002, 0.004), "distributed": (0.006, 0.010)}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Seconds, but for the count and the ratio; `ratio` is p50 over the yardstick."""

    form: str
    tasks: int
    p50: float
    p90: float
    p99: float
    answered_p50: float
    ratio: float
    yardstick: Yardstick


def main() -> int:
    """Measure both forms; print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--form", choices=sorted(TARGETS), action="append")
    args = parser.parse_args()
    forms = {"embedded": _embedded, "distributed": _distributed}
    figures = []
    for form in args.form or list(forms):
        with forms[form]() as url:
            figures.append(_measure(form, url, args.tasks))
        _show(figures[-1])
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return 0


@contextlib.contextmanager
def _embedded() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="swarming-bench-") as folder, Standalone(Path(folder)) as swarming:
        swarming.start_bots(BOTS)
        yield swarming.url


@contextlib.contextmanager
def _distributed() -> Iterator[str]:
    with distributed() as cluster:
        cluster.url = f"http://127.0.0.1:{cluster.ports['botgateway-1']}"
        cluster.start_bots(BOTS)
        yield f"http://127.0.0.1:{cluster.ports['frontend-1']}"


def _measure(form: str, url: str, tasks: int) -> Figures:
    client = _Client(url)
    for _ in range(WARM_UP_TASKS):
        client.run_task()
    yardstick = measure(PAUSE_SECONDS)
    times = [client.run_task() for _ in range(tasks)]
    starts, answers = [one[0] for one in times], [one[1] for one in times]
    return Figures(
        form=form,
        tasks=tasks,
        p50=percentile(starts, 0.5),
        p90=percentile(starts, 0.9),
        p99=percentile(starts, 0.99),
        answered_p50=percentile(answers, 0.5),
        ratio=percentile(starts, 0.5) / yardstick.start,
        yardstick=yardstick,
    )


def _show(figures: Figures) -> None:
    p50, p99 = TARGETS[figures.form]
    print(
        f"{figures.form}: submit → process start over {figures.tasks} tasks:"
        f" p50 {ms(figures.p50)} (target {ms(p50)}), p90 {ms(figures.p90)}, p99 {ms(figures.p99)} (target {ms(p99)});"
        f" submit → answer p50 {ms(figures.answered_p50)}"
    )
    for line in figures.yardstick.lines():
        print(f"  {line}")
    print(f"  p50 is {figures.ratio:.1f} times the yardstick")


class _Client:
    """A client that costs little: one connection, kept open."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port)
        self._body = NewTask(command=["date", "+%s.%N"], name="bench", wait_for_capacity=True).to_json()
        del self._body["request_uuid"]

    def run_task(self) -> tuple[float, float]:
        """Seconds from the submission to the process's stamp, and to the answer."""
        time.sleep(PAUSE_SECONDS)
        before = time.time()
        task_id = self._call("POST", "tasks/new", self._body)["task_id"]
        answered = time.time()
        time.sleep(PAUSE_SECONDS)  # a question at this moment would compete with what is measured
        while self._call("GET", f"task/{task_id}/result?wait_secs=10")["state"] in ("PENDING", "RUNNING"):
            pass
        output = self._call("GET", f"task/{task_id}/stdout")["output"]
        return float(output) - before, answered - before

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, f"/api/swarming/v1/{path}", body and json.dumps(body), headers)
        reply = self._connection.getresponse()
        answer = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{method} {path}: {reply.status} {answer!r}")
        return json.loads(answer)


if __name__ == "__main__":
    sys.exit(main())
