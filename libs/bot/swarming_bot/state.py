"""What a bot tells of its health with each poll; people read it, the server mostly does not."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import sys
import tempfile
import time
from typing import Any, Dict, Optional

from swarming_bot.disk_failure import probe_disk
from swarming_bot.disks import BYTES_PER_MB, DiskWatch
from swarming_bot.hardware import gpu_values, memory_bytes, ssd_names

SLOW_FACTS_LAST_SECONDS = 60.0  # those that cost more than a system call


class MachineState:
    """The facts of this machine that do not change while the bot runs, and the few that do."""

    def __init__(self, work_folder: str, cost_usd_hour: float, lowest_free_mb: float) -> None:
        self.started_ts = time.time()
        self.cost_usd_hour = cost_usd_hour
        self.lowest_free_mb = lowest_free_mb
        self._started_monotonic = time.monotonic()
        self._disk_watch = DiskWatch(work_folder)
        self._slow: Dict[str, Any] = {}
        self._slow_looked_at = float("-inf")
        self._fixed: Dict[str, Any] = {
            "audio": [],
            "cpu_name": _cpu_name(),
            "cwd": work_folder,
            "display_resolution": None,
            "gpu": gpu_values(),
            "hostname": socket.gethostname(),
            "pid": os.getpid(),
            "python": {"executable": sys.executable, "packages": None, "version": sys.version},
            "ram": memory_bytes() // BYTES_PER_MB,
            "rbe_instance": None,
            "ssd": ssd_names(),
            "started_ts": int(self.started_ts),
            "user": _user(),
        }
        self.too_full: Optional[str] = None
        self._work_folder = work_folder
        self._disk_failure: Optional[str] = None

    def note_disk_failure(self, reason: str) -> None:
        """A run failed because the disk cannot be written: the bot is unfit until it can."""
        self._disk_failure = reason

    def now(self) -> Dict[str, Any]:
        """The state as of now; running_time and uptime are in seconds. Sets `too_full`."""
        disks = self._disk_watch.now()
        if self._disk_failure is not None:
            self._disk_failure = probe_disk(self._work_folder)
        self.too_full = self._disk_watch.too_full(disks, self.lowest_free_mb) or self._disk_failure
        return {
            **self._fixed,
            **self._slow_facts(),
            "cost_usd_hour": self.cost_usd_hour,
            "disks": disks,
            "running_time": int(time.monotonic() - self._started_monotonic),
            "uptime": _uptime(),
        }

    def _slow_facts(self) -> Dict[str, Any]:
        now = time.monotonic()
        if now - self._slow_looked_at > SLOW_FACTS_LAST_SECONDS:
            self._slow_looked_at = now
            self._slow = {"ip": _own_address(), "nb_files_in_temp": _count_files(tempfile.gettempdir())}
        return self._slow


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "Hardware"):
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _own_address() -> str:
    """The address of the interface that leads outside; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, never routed
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _count_files(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _uptime() -> int:
    try:
        with open("/proc/uptime", encoding="ascii") as file:
            return int(float(file.read().split()[0]))
    except (OSError, ValueError):
        return int(time.monotonic())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as containers have
        return str(os.getuid())
