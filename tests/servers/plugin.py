"""The fixtures for tests on real servers, and the marker `real` that names which servers a test needs.

- `servers`: all three, see the classes; each is started when first needed.
- `private_servers`: the same for a module that kills, empties or cuts off; all is reachable again after it.
- `postgres_database`: the URL of a fresh, empty database.
- `rabbitmq_url`: the URL of a fresh virtual host.
- `redis_url`: the URL of an empty database number.

The last three imply the marker where a test or its fixtures name them as arguments. Who asks for them in another way
(`request.getfixturevalue`), and who uses `servers`, must carry it: `@pytest.mark.real("rabbitmq")`.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.collection import Servers
from tests.servers.errors import ServerMissing
from tests.servers.kinds import KINDS
from tests.servers.rabbitmq import must_be_shared
from tests.servers.sources import fetch_what_is_missing, may_fetch

IMPLIED = {"postgres_database": "postgres", "rabbitmq_url": "rabbitmq", "redis_url": "redis"}
_SERVERS = pytest.StashKey[Servers]()
_REPORT_KEY = "real_servers"


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The real servers of this process; another worker has others."""
    return pytestconfig.stash[_SERVERS]


@pytest.fixture(scope="module")
def private_servers(servers: Servers) -> Iterator[Servers]:
    """The real servers, to do harm to; after the module they are reachable again.

    What lives longer than the module must not depend on what is stored in them.
    """
    yield servers
    servers.resume()


@pytest.fixture
def postgres_database(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The URL of a fresh, empty database, as an account that may do everything: postgresql://…"""
    _require_marker(request, "postgres")
    with servers.postgres.database() as url:
        yield url


@pytest.fixture
def rabbitmq_url(request: pytest.FixtureRequest, servers: Servers) -> Iterator[str]:
    """The URL of a fresh virtual host: amqp://…"""
    _require_marker(request, "rabbitmq")
    with servers.rabbitmq.vhost() as url:
        yield url


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, servers: Servers) -> str:
    """The URL of an empty database number: redis://… Channels are shared with the other numbers."""
    _require_marker(request, "redis")
    return servers.redis.empty_database()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SERVERS] = Servers()
    config.pluginmanager.register(_Reports(config), "real_servers")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two, since each has servers of its own; but one, where its tests would meet others' in the same broker."""
    return 1 if must_be_shared() else 2


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].close()


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in IMPLIED:
                item.add_marker(pytest.mark.real(IMPLIED[fixture]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the servers that the chosen tests need while the first tests run."""
    if session.config.option.collectonly:
        return
    needed = sorted(set().union(*(_needed(item) for item in session.items)))
    if needed and may_fetch():
        _fetch(session.config, needed)
    session.config.stash[_SERVERS].begin(needed)


class _Reports:
    """Brings the names of the servers that were used to the process that prints the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lines: set[str] = set()

    def pytest_sessionfinish(self) -> None:
        self._lines.update(self._config.stash[_SERVERS].described())
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_REPORT_KEY] = sorted(self._lines)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._lines.update(getattr(node, "workeroutput", {}).get(_REPORT_KEY, ()))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._lines:
            terminalreporter.section("real servers")
            for line in sorted(self._lines):
                terminalreporter.line(line)


def _needed(item: pytest.Item) -> set[str]:
    names = {str(name) for mark in item.iter_markers("real") for name in mark.args}
    if unknown := names - KINDS.keys():
        raise pytest.UsageError(f"{item.nodeid}: the marker real knows {', '.join(KINDS)}, not {unknown}")
    return names


def _fetch(config: pytest.Config, names: list[str]) -> None:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    try:
        fetch_what_is_missing([KINDS[name] for name in names], reporter.write_line)
    except ServerMissing as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def _require_marker(request: pytest.FixtureRequest, name: str) -> None:
    if name not in _needed(request.node):
        pytest.fail(f'this test needs the marker @pytest.mark.real("{name}")', pytrace=False)
