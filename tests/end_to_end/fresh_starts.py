"""`make fresh-starts`: `swarming run` against a standalone that was started that very moment, again and again."""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.ports import free_port

SWARMING = str(Path(sys.executable).with_name("swarming"))
SECONDS = 60.0
"""How long a run may take before it counts as failed."""


def fresh_start(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Start a standalone and, without a pause, a run on it; stop the standalone. The run as it ended."""
    port = str(free_port())
    server = subprocess.Popen(
        [SWARMING, "standalone", "--port", port, "--bots", "2", "--data", str(folder)],
        stderr=subprocess.PIPE,
    )
    try:
        address = ["--server", f"http://127.0.0.1:{port}"]
        task = ["-d", "pool=default", "--", sys.executable, "-c", "print(6*7)"]
        return subprocess.run(
            [SWARMING, "run", *address, *task], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    finally:
        server.terminate()
        server.communicate()


def main() -> int:
    """Run it so often; 1 if one of them did not print 42."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    count, good = parser.parse_args().count, 0
    for number in range(1, count + 1):
        with tempfile.TemporaryDirectory(prefix="swarming-fresh-") as folder:
            began = time.monotonic()
            done = fresh_start(Path(folder))
        is_good = (done.returncode, done.stdout) == (0, "42\n")
        good += is_good
        what = "42" if is_good else f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        print(f"{number:3}  {time.monotonic() - began:5.1f} s  {what}", flush=True)
    print(f"{good} of {count} printed 42")
    return 0 if good == count else 1


if __name__ == "__main__":
    sys.exit(main())
