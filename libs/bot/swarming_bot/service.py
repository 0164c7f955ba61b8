"""Have the operating system run the bots: a systemd unit on Linux, a launchd job on macOS."""

from __future__ import annotations

import getpass
import os
import plistlib
import pwd
import subprocess
import sys
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from swarming_bot.errors import BotError
from swarming_bot.hooked_bot import bot_file

NAME = "swarming-bot"
LAUNCHD_LABEL = "org.swarming.bot"
# A task gets a grace period of mostly 30 s, then its result has to be told.
STOP_SECONDS = 60
RESTART_PAUSE_SECONDS = 5

_UNIT = """\
[Unit]
Description=Swarming bots
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={command}
{identity}Restart=on-failure
RestartSec={pause}
KillMode=mixed
TimeoutStopSec={stop}
OOMPolicy=continue

[Install]
WantedBy={target}
"""


@dataclass(frozen=True)
class ServicePlan:
    """A file to write, and the commands that make the system heed it."""

    path: str
    content: str
    commands: Tuple[Tuple[str, ...], ...]


def plan_service(
    arguments: Sequence[str],
    *,
    for_system: bool,
    user: Optional[str] = None,
    platform: str = sys.platform,
    home: Optional[str] = None,
) -> ServicePlan:
    """What to write and run so that bots with these arguments start with the system, or with the user's session.

    user: whom the bots run as; for the system's service only.
    """
    command = [*program(), *arguments]
    home = home or os.path.expanduser("~")
    if platform == "darwin":
        return _launchd(command, for_system, user, home)
    return _systemd(command, for_system, user, home)


def install(plan: ServicePlan) -> None:
    """Write the file and run the commands. Raises BotError with what went wrong."""
    try:
        os.makedirs(os.path.dirname(plan.path), exist_ok=True)
        with open(plan.path, "w", encoding="utf-8") as file:
            file.write(plan.content)
    except OSError as error:
        raise BotError(f"cannot write {plan.path}: {error.strerror}; --print shows what it would hold") from error
    for command in plan.commands:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise BotError(f"{plan.path} is written, but {command[0]} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            raise BotError(f"{plan.path} is written, but `{' '.join(command)}` failed")


def check_user(user: str, archive: Optional[str] = None) -> None:
    """Find out before anything is written whether bots can run as this user. Raises BotError.

    archive: the zip that the bots run from, this one if not given; they keep their things beside it.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise BotError(f"--run-as: this machine has no user {user!r}") from None
    archive = archive or bot_file()
    folder = os.path.dirname(archive) if archive else None
    if folder and entry.pw_uid not in (0, os.stat(folder).st_uid):
        raise BotError(f"{folder} does not belong to {user}, whom the bots run as: chown -R {user} {folder}")


def default_user() -> str:
    """Who asked: under sudo the person who typed it, for tasks should not be root's."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def program() -> List[str]:
    """How to start this bot again."""
    archive = bot_file()
    return [sys.executable, archive] if archive else [sys.executable, "-m", "swarming_bot"]


def _systemd(command: Sequence[str], for_system: bool, user: Optional[str], home: str) -> ServicePlan:
    content = _UNIT.format(
        command=" ".join(_quoted_for_systemd(part) for part in command),
        identity=f"User={user}\n" if for_system and user else "",
        pause=RESTART_PAUSE_SECONDS,
        stop=STOP_SECONDS,
        target="multi-user.target" if for_system else "default.target",
    )
    unit = f"{NAME}.service"
    if for_system:
        path, control = os.path.join("/etc/systemd/system", unit), ["systemctl"]
    else:
        path, control = os.path.join(home, ".config/systemd/user", unit), ["systemctl", "--user"]
    steps = (("daemon-reload",), ("enable", unit), ("restart", unit))
    commands: List[Tuple[str, ...]] = [(*control, *step) for step in steps]
    if not for_system:
        commands.append(("loginctl", "enable-linger"))  # so that the bots outlast the user's session
    return ServicePlan(path, content, tuple(commands))


def _launchd(command: Sequence[str], for_system: bool, user: Optional[str], home: str) -> ServicePlan:
    job: Dict[str, object] = {
        "Label": LAUNCHD_LABEL,
        "ProgramArguments": list(command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": RESTART_PAUSE_SECONDS,
        "ExitTimeOut": STOP_SECONDS,
    }
    if for_system and user:
        job["UserName"] = user
    folder = "/Library/LaunchDaemons" if for_system else os.path.join(home, "Library/LaunchAgents")
    path = os.path.join(folder, f"{LAUNCHD_LABEL}.plist")
    return ServicePlan(path, plistlib.dumps(job).decode(), (("launchctl", "load", "-w", path),))


def _quoted_for_systemd(part: str) -> str:
    """One word of ExecStart: systemd reads %, $, quotes and backslashes."""
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not escaped or any(one in escaped for one in " \t'\"\\;") else escaped
