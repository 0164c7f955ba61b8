"""The ports of a service: waited for at its start, and closed at its end whatever becomes of each."""

import pytest

from swarming_common import lifecycle
from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.port import Database
from swarming_common.database.postgres import open_postgres
from swarming_common.errors import DatabaseAway
from swarming_common.lifecycle import Ports, opened
from swarming_common.testing.contracts.database import known


class ClumsyBus(InProcessBus):
    """Fails at its end."""

    async def close(self) -> None:
        await super().close()
        raise RuntimeError("clumsy")


async def test_a_port_that_fails_at_its_end_keeps_no_other_open(sqlite_database: Database):
    ports = Ports(database=sqlite_database, bus=ClumsyBus(), cache=InProcessCache())

    with pytest.raises(RuntimeError, match="clumsy"):
        async with opened(ports):
            pass

    assert not ports.cache.connected
    with pytest.raises(DatabaseAway):
        await sqlite_database.read(known)


async def test_a_service_whose_database_does_not_come_gives_up_and_closes_the_rest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lifecycle, "FIRST_CONTACT_SECONDS", 0.05)
    nowhere = await open_postgres("postgresql://nobody@127.0.0.1:1/nothing")
    ports = Ports(database=nowhere, bus=InProcessBus(), cache=InProcessCache())

    with pytest.raises(DatabaseAway, match="did not answer within"):
        async with opened(ports):
            pass

    assert (ports.bus.connected, ports.cache.connected) == (False, False)
