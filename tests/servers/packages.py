"""Installing servers with apt-get, as root on Debian and Ubuntu; elsewhere, saying what to run."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.errors import ServerMissing
from tests.servers.kinds import Kind

_POLICY = Path("/usr/sbin/policy-rc.d")
_DENIED = "#!/bin/sh\nexit 101\n"


def install(kinds: Sequence[Kind], say: Callable[[str], None]) -> None:
    """Install the servers, started by nobody; raises ServerMissing with the command to run where we can't."""
    titles = ", ".join(kind.title for kind in kinds)
    debian_packages = [kind.debian_package for kind in kinds]
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        raise ServerMissing(f"Missing for the tests: {titles}. Run: {_command(kinds)}")
    say(f"Installing with apt-get, since this machine lacks them: {' '.join(debian_packages)}")
    with _system_services_stay_down():
        _run([apt_get, "update", "-qq"], may_fail=True)
        _run([apt_get, "install", "-y", "-qq", "--no-install-recommends", *debian_packages])


def _command(kinds: Sequence[Kind]) -> str:
    if platform.system() == "Darwin":
        return "brew install " + " ".join(kind.brew_formula for kind in kinds)
    return "sudo apt-get install -y " + " ".join(kind.debian_package for kind in kinds)


@contextmanager
def _system_services_stay_down() -> Iterator[None]:
    """The packages start no servers of their own: the tests need programs, not services."""
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text(_DENIED)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)


def _run(command: Sequence[str], *, may_fail: bool = False) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode and not may_fail:  # an update that failed in part may have been enough
        last_lines = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise ServerMissing(f"{' '.join(command)} failed:\n{last_lines}")
