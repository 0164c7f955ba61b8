"""Which bot code is the current one, from rows that every process reads alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from swarming_common.bot_code.kinds import UploadKind
from swarming_common.database.tables import bot_code, upload

WANTED_FOR = timedelta(seconds=60)
"""How long a build counts after a gateway last said that it would serve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A zip that some gateway built."""

    version: str
    """The hash over what is in it."""
    package: str
    """The hash of the installed bot package and the address that went into it: another one in each release."""
    hooks: int
    """Which version of the uploaded hooks is in it, 0 for none."""
    created_ts: datetime
    wanted_ts: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentCode:
    """What bots should run."""

    version: str
    is_uploaded: bool
    """Whether it is an uploaded archive rather than a build."""


def choose(builds: Iterable[Build], now: datetime) -> Build | None:
    """The current one of several builds; None when there is none.

    During a roll-out gateways of two releases run side by side and each builds its own. Of those that somebody still
    wants, the package that appeared last counts, so that bots move over once and do not go back and forth; of one
    package, the newest hooks. After a roll-back nobody wants the newer package any more.
    """
    known = list(builds)
    appeared: dict[str, datetime] = {}
    for one in known:
        appeared[one.package] = min(one.created_ts, appeared.get(one.package, one.created_ts))
    last_wanted = max((one.wanted_ts for one in known), default=now)
    since = min(now, last_wanted) - WANTED_FOR
    wanted = [one for one in known if one.wanted_ts >= since]
    return max(
        wanted,
        key=lambda one: (appeared[one.package], one.package, one.hooks, one.created_ts, one.version),
        default=None,
    )


def read_current(connection: Connection, now: datetime) -> CurrentCode | None:
    """What bots should run; None before the first gateway has started. An uploaded archive goes before any build."""
    archive = connection.execute(_NEWEST_ARCHIVE).scalar_one_or_none()
    if archive is not None:
        return CurrentCode(version=archive, is_uploaded=True)
    build = choose((Build(**row._mapping) for row in connection.execute(_BUILDS)), now)
    return None if build is None else CurrentCode(version=build.version, is_uploaded=False)


_BUILDS = select(bot_code.c.version, bot_code.c.package, bot_code.c.hooks, bot_code.c.created_ts, bot_code.c.wanted_ts)

_NEWEST_ARCHIVE = select(upload.c.digest).where(
    upload.c.kind == UploadKind.BOT_ARCHIVE.value,
    upload.c.version
    == select(func.max(upload.c.version)).where(upload.c.kind == UploadKind.BOT_ARCHIVE.value).scalar_subquery(),
)
"""NULL in a version that took the archive away."""
