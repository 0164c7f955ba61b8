"""Lets this process, and so its tasks, be as init would have started them, whatever did.

A shell, nohup, make or a supervisor leaves ignored signals, limits, variables and more to whatever it starts. A task
that behaves in one way under one bot and otherwise under another is hard to explain.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from typing import Dict, Mapping, MutableMapping, Optional

UMASK = 0o022
LOCALE = "C.UTF-8"

# Of the supervisor or the shell that started this; they mean nothing to a task, or mislead it.
FOREIGN_VARIABLES = (
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MAKE_TERMERR",
    "MAKE_TERMOUT",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "MFLAGS",
    "NOTIFY_SOCKET",
    "OLDPWD",
    "SHLVL",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "_",
)

_LIMIT_NAMES = {
    "Max core file size": "RLIMIT_CORE",
    "Max cpu time": "RLIMIT_CPU",
    "Max data size": "RLIMIT_DATA",
    "Max file size": "RLIMIT_FSIZE",
    "Max locked memory": "RLIMIT_MEMLOCK",
    "Max open files": "RLIMIT_NOFILE",
    "Max processes": "RLIMIT_NPROC",
    "Max stack size": "RLIMIT_STACK",
    "Max address space": "RLIMIT_AS",
}

Limits = Dict[int, int]  # soft limits by resource


def start_clean() -> None:
    """Do it to this process; to be called once, at its start and before it has threads."""
    _heed_signals()
    os.umask(UMASK)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("0")  # lowering it takes a privilege that a bot may not have
    clean_variables(os.environ)
    set_soft_limits(init_limits())


def clean_variables(variables: MutableMapping[str, str]) -> None:
    """Remove what a supervisor or a shell left, and give texts the one encoding that works everywhere."""
    for name in FOREIGN_VARIABLES:
        variables.pop(name, None)
    for name in [one for one in variables if one.startswith("LC_") or one == "LANGUAGE"]:
        del variables[name]
    if not variables.get("LANG", "").lower().replace("-", "").endswith("utf8"):
        variables["LANG"] = LOCALE


def init_limits() -> Limits:
    """The soft limits of the first process of this machine; none where the system does not tell."""
    try:
        with open("/proc/1/limits", encoding="ascii") as file:
            return parse_limits(file.read())
    except OSError:
        return {}


def parse_limits(text: str) -> Limits:
    """Soft limits as /proc/PID/limits has them."""
    found: Limits = {}
    for line in text.splitlines():
        name = next((one for one in _LIMIT_NAMES if line.startswith(one)), None)
        number = getattr(resource, _LIMIT_NAMES[name], None) if name is not None else None
        if name is None or number is None:
            continue
        soft = line[len(name) :].split()[0]
        found[number] = resource.RLIM_INFINITY if soft == "unlimited" else int(soft)
    return found


def set_soft_limits(limits: Mapping[int, int]) -> None:
    """Give this process these soft limits, as far as its hard limits allow."""
    for number, wanted in limits.items():
        with contextlib.suppress(OSError, ValueError):
            soft, hard = resource.getrlimit(number)
            wanted = hard if _is_more(wanted, hard) else wanted
            if soft != wanted:
                resource.setrlimit(number, (wanted, hard))


def _is_more(one: int, other: int) -> bool:
    if other == resource.RLIM_INFINITY:
        return False
    return one == resource.RLIM_INFINITY or one > other


def _heed_signals() -> None:
    """Block none, and let tasks ignore none: a signal with a handler is a default one for what this process starts,
    while an ignored one stays ignored. This process goes on ignoring those that it was told to ignore."""
    if sys.platform == "win32":
        return
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) == signal.SIG_IGN and number != signal.SIGPIPE:  # Python's own; see Popen
                signal.signal(number, _do_nothing)


def _do_nothing(number: int, frame: Optional[object]) -> None:
    del number, frame
