"""Where each server comes from: given address, container, installed programs, or packages installed first."""

import os
from collections.abc import Callable, Iterable

from tests.servers import containers, packages
from tests.servers.errors import ServerMissing
from tests.servers.given import Given
from tests.servers.installed import installed, is_installed
from tests.servers.instance import Instance
from tests.servers.kinds import KINDS, Kind

Say = Callable[[str], None]


def fetch_what_is_missing(kinds: Iterable[Kind], say: Say) -> None:
    """See to it that `instance_of` succeeds for these kinds; tells what it does. Raises ServerMissing if it can't."""
    missing = []
    for kind in kinds:
        if kind.given_url:
            say(f"{kind.title}: the address in {kind.url_variable}")
        elif containers.engine_answers() and containers.fetch_image(kind.image, say):
            say(f"{kind.title}: containers of {kind.image}")
        elif is_installed(kind):
            say(f"{kind.title}: installed on this machine")
        else:
            missing.append(kind)
    if missing:
        packages.install(missing, say)


def instance_of(name: str) -> Instance:
    """A server of the named kind from the first source that has it, not started yet. Fetches nothing."""
    kind = KINDS[name]
    if url := kind.given_url:
        return Given(kind, url)
    if containers.engine_answers() and containers.has_image(kind.image):
        return containers.Container(kind)
    if is_installed(kind):
        return installed(kind)
    raise ServerMissing(f"there is no {kind.title}; run: .venv/bin/python -m tests.servers")


def may_fetch() -> bool:
    """Whether this process may install and pull; a worker may not, or each would."""
    return "PYTEST_XDIST_WORKER" not in os.environ
