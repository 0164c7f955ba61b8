"""Whether the database is there, for whoever may not wait for it."""

from datetime import UTC, datetime

from swarming_common.database.pulse import DatabasePulse
from swarming_common.errors import DatabaseAway


class ADatabase:
    """Only tells the time, or that it is away."""

    is_away = False

    async def now(self) -> datetime:
        if self.is_away:
            raise DatabaseAway("gone")
        return datetime(2026, 7, 1, tzinfo=UTC)


async def test_a_database_that_goes_away_and_comes_back_is_noticed():
    database = ADatabase()
    pulse = DatabasePulse(database)  # type: ignore[arg-type]

    found = []
    for is_away in (False, True, False):
        database.is_away = is_away
        await pulse.feel()
        found.append(pulse.is_there)

    assert found == [True, False, True]
