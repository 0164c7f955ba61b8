"""Builds the bot's zip: the installed bot package, the uploaded hooks, and a config with the address of this server."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from swarming_common.bot_code.archive import CONFIG, HOOKS, MAIN, pack, version_of
from swarming_common.release import server_version

PACKAGE = "swarming_bot"

MAIN_TEXT = b"""import sys

from swarming_bot.zip_command import main

sys.exit(main())
"""


@dataclass(frozen=True)
class BotPackage:
    """What is in every zip of this release for this address."""

    files: Mapping[str, bytes]

    @cached_property
    def version(self) -> str:
        """Its hash; another release or another address has another one."""
        return version_of(self.files)


@dataclass(frozen=True, slots=True)
class BuiltZip:
    """A zip and its version."""

    version: str
    content: bytes


def installed_package(public_url: str) -> BotPackage:
    """The bot that is installed beside this gateway, for bots that reach it at this address."""
    config = {"enable_ts_monitoring": False, "server": public_url.rstrip("/"), "server_version": server_version()}
    return BotPackage({**_installed(), MAIN: MAIN_TEXT, CONFIG: json.dumps(config, sort_keys=True).encode()})


def build_zip(package: BotPackage, hooks: bytes) -> BuiltZip:
    """The zip with these hooks; the same on every machine and at every time."""
    everything = {**package.files, HOOKS: hooks}
    return BuiltZip(version_of(everything), pack(everything))


@cache
def _installed() -> Mapping[str, bytes]:
    return {f"{PACKAGE}/{name}": content for name, content in _sources(files(PACKAGE), "")}


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _sources(one, f"{path}{one.name}/")
        elif one.name.endswith(".py"):
            yield path + one.name, one.read_bytes()
