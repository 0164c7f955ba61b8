"""`make demo`: a Swarming of one's own runs this project's unit tests, a shard a task, and shows them live."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from swarming_client import NewTask, Swarming, TaskResult
from swarming_client.table import table

BOTS = 3
START_SECONDS = 60.0
SHARD_SECONDS = 600
ANNOUNCEMENT = "Swarming is at "


def main() -> int:
    """Start, run, show, stop; 0 when every shard passed."""
    root = _project_root()
    shards = sorted(path.name for path in (root / "tests" / "unit").iterdir() if path.is_dir() and path.name[0] != "_")
    with tempfile.TemporaryDirectory(prefix="swarming-demo-") as folder, _standalone(Path(folder)) as url:
        _say(f"Swarming is at {url}, with {BOTS} bots. It runs the {len(shards)} shards of its own unit tests:")
        with Swarming(url) as swarming:
            results = _run_shards(swarming, root, shards)
    _say("")
    for line in table(("SHARD", "STATE", "EXIT", "BOT", "PENDING", "RAN"), [_row(*one) for one in results]):
        _say(line)
    passed = all(result.exit_code == 0 for _, result in results)
    _say("\nAll shards passed." if passed else "\nSome shards failed.")
    return 0 if passed else 1


@contextlib.contextmanager
def _standalone(folder: Path) -> Iterator[str]:
    """The server and its bots as `swarming standalone` starts them, on a free port; gives the address."""
    options = ["--port", "0", "--data", str(folder), "--bots", str(BOTS)]
    command = [str(Path(sys.executable).with_name("swarming")), "standalone", *options]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"SWARMING_LOG_LEVEL": "warning"})
    try:
        yield _address(server, folder / "server.log")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _address(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """What the server says when it listens; what it says afterwards goes to the log."""
    assert server.stderr is not None
    said = []
    timer = threading.Timer(START_SECONDS, server.kill)
    timer.start()
    for line in server.stderr:
        said.append(line.decode(errors="replace"))
        if said[-1].startswith(ANNOUNCEMENT):
            timer.cancel()
            threading.Thread(target=_drain, args=(server.stderr, log), daemon=True).start()
            return said[-1].removeprefix(ANNOUNCEMENT).strip()
    timer.cancel()
    raise SystemExit("The server did not start:\n" + "".join(said))


def _drain(stream: Iterator[bytes], log: Path) -> None:
    with log.open("wb") as file:
        for line in stream:
            file.write(line)


def _run_shards(swarming: Swarming, root: Path, shards: Sequence[str]) -> list[tuple[str, TaskResult]]:
    tasks = [(shard, swarming.new_task(_task(root, shard)).task_id) for shard in shards]
    turn = threading.Lock()
    followers = [threading.Thread(target=_follow, args=(swarming, *one, turn)) for one in tasks]
    for follower in followers:
        follower.start()
    for follower in followers:
        follower.join()
    return [(shard, swarming.wait(task_id)) for shard, task_id in tasks]


def _task(root: Path, shard: str) -> NewTask:
    tests = ["-m", "pytest", "-q", "-m", "not real", "-p", "no:cacheprovider", "--color=no", f"tests/unit/{shard}"]
    script = 'cd "$0" && exec "$@"'
    return NewTask(
        name=f"unit tests: {shard}",
        command=["sh", "-c", script, str(root), sys.executable, *tests],
        env={"SWARMING_SERVER": ""},
        execution_timeout_secs=SHARD_SECONDS,
        wait_for_capacity=True,  # the bots are still starting
        tags=[f"shard:{shard}"],
    )


def _follow(swarming: Swarming, shard: str, task_id: str, turn: threading.Lock) -> None:
    """Print whole lines as they come, each behind the shard's name."""
    rest = ""
    for piece in swarming.follow(task_id):
        *lines, rest = (rest + piece.text).split("\n")
        with turn:
            for line in lines:
                _say(f"{shard:>12} | {line}")
    if rest:
        with turn:
            _say(f"{shard:>12} | {rest}")


def _row(shard: str, result: TaskResult) -> list[str]:
    pending = (result.started - result.created).total_seconds() if result.started and result.created else 0.0
    return [
        shard,
        result.state,
        str(result.exit_code),
        result.bot_id or "",
        f"{pending * 1000:.0f} ms",
        f"{result.duration or 0.0:.1f} s",
    ]


def _project_root() -> Path:
    root = Path.cwd()
    if not (root / "tests" / "unit").is_dir():
        raise SystemExit(
            "The demo runs this project's own unit tests: start it in the project's folder, with `make demo`."
        )
    return root


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
