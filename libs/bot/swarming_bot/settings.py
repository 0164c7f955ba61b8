"""What a person decides about the bots of one process, checked before anything starts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, List, Optional, Sequence
from urllib.parse import quote, urlsplit

from swarming_bot.dimensions import Dimensions, bot_dimensions, machine_dimensions, short_host_name
from swarming_bot.proxies import check_proxies
from swarming_bot.tuning import DEFAULT_TUNING, Tuning

if TYPE_CHECKING:
    from swarming_bot.code_updates import CodeUpdates

# It names a folder, stands in a header, and the protocol forbids ':' in it.
BOT_ID_PATTERN = re.compile(r"[0-9a-zA-Z_][0-9a-zA-Z_.\-]{0,127}\Z")
MOST_BOTS = 1000  # in one process; each takes a thread and a few open files


@dataclass(frozen=True)
class BotSettings:
    """Everything one bot needs to know."""

    bot_id: str
    server_url: str  # without a trailing slash
    dimensions: Dimensions
    work_folder: str
    host_name: str
    tuning: Tuning = DEFAULT_TUNING
    hooks_file: Optional[str] = None  # a bot_config.py; read at each start of the bot
    reboot_command: Sequence[str] = ()  # how to reboot the machine; empty where the bot must not
    updates: Optional[CodeUpdates] = None  # how the bot comes to other code; None where somebody else sees to that


def fleet_settings(
    server_url: str,
    count: int,
    dimensions: Dimensions,
    bot_id: Optional[str] = None,
    work_folder: Optional[str] = None,
    tuning: Tuning = DEFAULT_TUNING,
    hooks_file: Optional[str] = None,
    reboot_command: Sequence[str] = (),
) -> List[BotSettings]:
    """The settings of so many bots of one process; ValueError says what is wrong."""
    server_url = _checked_url(server_url)
    check_proxies()
    if not 1 <= count <= MOST_BOTS:
        raise ValueError(f"--bots {count}: expected 1 to {MOST_BOTS}")
    if hooks_file is not None and not os.path.isfile(hooks_file):
        raise ValueError(f"--hooks {hooks_file!r}: expected a file")
    host = short_host_name()
    name = bot_id or host
    machine = machine_dimensions()
    above = work_folder or default_work_folder(server_url)
    return [
        BotSettings(
            bot_id=one,
            server_url=server_url,
            dimensions=bot_dimensions(one, dimensions, machine),
            work_folder=os.path.join(above, one),
            host_name=host,
            tuning=tuning,
            hooks_file=hooks_file and os.path.abspath(hooks_file),
            reboot_command=reboot_command,
        )
        for one in bot_ids(name, count)
    ]


def default_work_folder(server_url: str) -> str:
    """One folder for each server: bots of the same id on two servers are different bots."""
    url = urlsplit(server_url)
    return os.path.join(os.path.expanduser("~"), ".swarming", "bots", quote(url.netloc + url.path, safe=""))


def bot_ids(name: str, count: int) -> Iterable[str]:
    """The ids of so many bots of one process. Raises ValueError for a name that is none."""
    ids = [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
    if not BOT_ID_PATTERN.match(ids[-1]):
        raise ValueError(f"--id {name!r}: expected letters, digits, '-', '_' and '.', at most 128 of them")
    return ids


def _checked_url(server_url: str) -> str:
    url = urlsplit(server_url)
    try:
        is_good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number
        is_good = False
    if not is_good or url.query or url.fragment:
        raise ValueError(f"--server {server_url!r}: expected something like http://localhost:8080")
    return server_url.rstrip("/")
