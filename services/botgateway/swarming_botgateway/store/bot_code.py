"""`bot_code`: the zips that gateways built; and, read only, what people uploaded for bots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, delete, func, select

from swarming_botgateway.bot_code.build import BuiltZip
from swarming_common.bot_code.current import CurrentCode, read_current
from swarming_common.bot_code.kinds import UploadKind
from swarming_common.database.dialects import insert
from swarming_common.database.tables import bot_code, upload

KEPT_FOR = timedelta(days=90)
"""How long a build is kept that no gateway wants any more: bots that were off for so long are still known as ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRows:
    """What is uploaded and built."""

    hooks_version: int
    """0 when nothing was uploaded."""
    hooks: bytes | None
    """None for those that come with the release."""
    current: CurrentCode | None
    builds: Mapping[str, int]
    """Every version that was built here and is still remembered, with the version of the hooks in it."""
    archives: frozenset[str]
    """The versions of all uploaded archives."""
    replaces_bots: bool
    """Whether the bots of an archive that was taken away move to the build."""

    @property
    def replaced(self) -> frozenset[str]:
        """The versions whose bots move to the current one. Bots of an archive move to another archive, and to a build
        only if somebody said so: a build makes other bots of them, and they may be there for a reason."""
        moves = self.replaces_bots or (self.current is not None and self.current.is_uploaded)
        return frozenset(self.builds) | (self.archives if moves else frozenset())


def read_code_rows(connection: Connection, now: datetime) -> CodeRows:
    """Everything that decides what bots run."""
    hooks = connection.execute(_NEWEST.params(of_kind=UploadKind.BOT_CONFIG.value)).one_or_none()
    archives = select(upload.c.digest).where(
        upload.c.kind == UploadKind.BOT_ARCHIVE.value, upload.c.digest.is_not(None)
    )
    builds = connection.execute(select(bot_code.c.version, bot_code.c.hooks))
    return CodeRows(
        hooks_version=0 if hooks is None else hooks.version,
        hooks=None if hooks is None else hooks.content,
        current=read_current(connection, now),
        builds={row.version: row.hooks for row in builds},
        archives=frozenset(connection.execute(archives).scalars()),
        replaces_bots=bool(connection.execute(_REPLACES_BOTS).scalar_one_or_none()),
    )


def read_bootstrap(connection: Connection) -> bytes | None:
    """The uploaded bootstrap script; None for the one that comes with the release."""
    row = connection.execute(_NEWEST.params(of_kind=UploadKind.BOOTSTRAP.value)).one_or_none()
    return None if row is None else row.content


def write_build(connection: Connection, built: BuiltZip, package: str, hooks_version: int, now: datetime) -> None:
    """Keep a build and say that it is wanted; forget those that nobody has wanted for long. Repeatable."""
    connection.execute(delete(bot_code).where(bot_code.c.wanted_ts < now - KEPT_FOR))
    upsert = insert(connection, bot_code)
    newer = {"wanted_ts": upsert.excluded.wanted_ts, "hooks": upsert.excluded.hooks}
    # One that lags behind with its reading of the uploads must not make old hooks of these.
    upsert = upsert.on_conflict_do_update(
        index_elements=["version"], set_=newer, where=bot_code.c.hooks <= upsert.excluded.hooks
    )
    row: dict[str, Any] = {
        "version": built.version,
        "package": package,
        "hooks": hooks_version,
        "content": built.content,
        "created_ts": now,
        "wanted_ts": now,
    }
    connection.execute(upsert, row)


def read_zip(connection: Connection, version: str) -> bytes | None:
    """The zip of a version that was built or uploaded; None for any other."""
    built = connection.execute(select(bot_code.c.content).where(bot_code.c.version == version)).scalar_one_or_none()
    if built is not None:
        return bytes(built)
    query = (
        select(upload.c.content)
        .where(upload.c.kind == UploadKind.BOT_ARCHIVE.value, upload.c.digest == version)
        .limit(1)
    )
    uploaded = connection.execute(query).scalar_one_or_none()
    return None if uploaded is None else bytes(uploaded)


def _newest() -> Select[Any]:
    of_kind: BindParameter[str] = bindparam("of_kind")
    newest = select(func.max(upload.c.version)).where(upload.c.kind == of_kind).scalar_subquery()
    return select(upload.c.version, upload.c.content).where(upload.c.kind == of_kind, upload.c.version == newest)


_NEWEST = _newest()

_REPLACES_BOTS = (
    select(upload.c.replaces_bots)
    .where(upload.c.kind == UploadKind.BOT_ARCHIVE.value)
    .order_by(upload.c.version.desc())
    .limit(1)
)
