"""Try hooks and archives on this machine before they are uploaded, as a bot would load them.

They run in a process of their own: in an empty folder, with an environment that has no secrets, and for a limited time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from swarming_client.errors import SwarmingError

TRIAL_SECS = 60.0
LONGEST_OUTPUT = 8000  # characters; the end tells most
ARCHIVE = "swarming_bot.zip"
HOOKS = "bot_config.py"
LOADED = "the hooks are loaded"
NOT_LOADED = "the hooks cannot be loaded"
"""What our own archive's check of itself prints; it is no failure there, since such hooks quarantine a bot."""

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")

LOAD_HOOKS = f"""
import sys, types
path, *archive = sys.argv[1:]
sys.path[:0] = archive
sys.argv = [*archive, "start_bot"]
module = sys.modules["bot_config"] = types.ModuleType("bot_config")
module.__file__ = path
with open(path, encoding="utf-8") as file:
    exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
print({LOADED!r})
"""


class TrialFailed(SwarmingError):
    """What was to be uploaded does not work here; `details` is what it printed, with its traceback."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(f"{message}; --force uploads it all the same")
        self.details = output[-LONGEST_OUTPUT:].rstrip()


def try_hooks(source: str, archive: bytes | None, seconds: float = TRIAL_SECS) -> None:
    """Load hooks beside the modules of the bot's zip, without any if there is none; raises TrialFailed."""
    with tempfile.TemporaryDirectory(prefix="swarming_trial.") as name:
        folder = Path(name)
        (folder / HOOKS).write_text(source, encoding="utf-8")
        beside = []
        if archive is not None:
            (folder / ARCHIVE).write_bytes(archive)
            beside = [ARCHIVE]
        code, output = _run(["-I", "-c", LOAD_HOOKS, HOOKS, *beside], folder, seconds)
    if code != 0 or LOADED not in output.splitlines():
        raise TrialFailed(f"the hooks cannot be loaded (exit code {code})", output)


def try_archive(archive: bytes, seconds: float = TRIAL_SECS) -> None:
    """Have a bot's zip check itself, as a bot does before it takes an update; raises TrialFailed."""
    with tempfile.TemporaryDirectory(prefix="swarming_trial.") as name:
        folder = Path(name)
        (folder / ARCHIVE).write_bytes(archive)
        code, output = _run([ARCHIVE, "is_fine"], folder, seconds)
    if code != 0 or NOT_LOADED in output:
        raise TrialFailed(f"the archive's check of itself fails (exit code {code})", output)


def _run(arguments: Sequence[str], folder: Path, seconds: float) -> tuple[int, str]:
    """The exit code and what was printed; raises TrialFailed when it does not end in time."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment = {**kept, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8:backslashreplace"}
    with open(folder / "output", "w+b") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if code is None:
        raise TrialFailed(f"the trial does not end within {seconds:g} s", text)
    return code, text


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    process.kill()
    process.wait()
