"""What a bot tells of its health with each poll; people read it, the server mostly does not."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import socket
import sys
import time
from typing import Any, Dict

_BYTES_PER_MB = 1024.0 * 1024.0


class MachineState:
    """The facts of this machine that do not change while the bot runs, and the few that do."""

    def __init__(self, work_folder: str, cost_usd_hour: float) -> None:
        self._started = time.time()
        self._started_monotonic = time.monotonic()
        self._work_folder = work_folder
        self._fixed: Dict[str, Any] = {
            "audio": [],
            "cost_usd_hour": cost_usd_hour,
            "cpu_name": _cpu_name(),
            "cwd": work_folder,
            "display_resolution": None,
            "gpu": None,
            "hostname": socket.gethostname(),
            "ip": _own_address(),
            "pid": os.getpid(),
            "python": {"executable": sys.executable, "packages": None, "version": sys.version},
            "ram": _ram_mb(),
            "rbe_instance": None,
            "ssd": [],
            "started_ts": int(self._started),
            "user": _user(),
        }

    def now(self) -> Dict[str, Any]:
        """The state as of now; running_time and uptime are in seconds."""
        return {
            **self._fixed,
            "disks": self._disks(),
            "running_time": int(time.monotonic() - self._started_monotonic),
            "uptime": _uptime(),
        }

    def _disks(self) -> Dict[str, Dict[str, float]]:
        try:
            usage = shutil.disk_usage(self._work_folder)
        except OSError:
            return {}
        free, size = usage.free / _BYTES_PER_MB, usage.total / _BYTES_PER_MB
        return {self._work_folder: {"free_mb": round(free, 1), "size_mb": round(size, 1)}}


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


def _ram_mb() -> int:
    try:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_MB)
    except (OSError, ValueError):
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
