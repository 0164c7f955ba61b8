"""`upload` and `enrolment_token`: what people gave to bots, in versions, and what lets machines join."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from swarming_common.bot_code.kinds import UploadKind
from swarming_common.database.dialects import insert
from swarming_common.database.tables import enrolment_token, upload


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """A version to be written. Without a content it means what comes with the release."""

    kind: UploadKind
    content: bytes | None
    digest: str | None
    reverted_to: int | None
    by: str
    now: datetime
    replaces_bots: bool = False
    """Of an archive that is taken away: its bots move to the zip that is built here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadVersion:
    """One version, without its content."""

    version: int
    digest: str | None
    """None where it means what comes with the release."""
    size: int
    """In bytes."""
    reverted_to: int | None
    by: str
    ts: datetime


def write_upload(connection: Connection, new: NewUpload) -> UploadVersion | None:
    """The version that this becomes; None when somebody else's took the number at the same moment."""
    newest = connection.execute(select(func.max(upload.c.version)).where(upload.c.kind == new.kind.value)).scalar_one()
    version = (newest or 0) + 1
    row = {
        "kind": new.kind.value,
        "version": version,
        "content": new.content,
        "digest": new.digest,
        "reverted_to": new.reverted_to,
        "replaces_bots": new.replaces_bots or None,
        "uploaded_by": new.by,
        "uploaded_ts": new.now,
    }
    statement = insert(connection, upload).on_conflict_do_nothing().returning(upload.c.version)
    if connection.execute(statement, row).scalar_one_or_none() is None:
        return None
    return UploadVersion(
        version=version,
        digest=new.digest,
        size=len(new.content or b""),
        reverted_to=new.reverted_to,
        by=new.by,
        ts=new.now,
    )


def upload_versions(connection: Connection, kind: UploadKind, before: int | None, limit: int) -> list[UploadVersion]:
    """The newest first, those below `before` if it is given."""
    query = _VERSIONS.where(upload.c.kind == kind.value).order_by(upload.c.version.desc()).limit(limit)
    if before is not None:
        query = query.where(upload.c.version < before)
    return [_version(row) for row in connection.execute(query)]


def upload_version(connection: Connection, kind: UploadKind, version: int) -> tuple[UploadVersion, bytes | None] | None:
    """One version with its content; None when there is no such version."""
    query = _VERSIONS.add_columns(upload.c.content).where(upload.c.kind == kind.value, upload.c.version == version)
    row = connection.execute(query).one_or_none()
    return None if row is None else (_version(row), row.content)


def write_token(connection: Connection, digest: str, by: str, now: datetime, expires: datetime) -> None:
    """Keep a token's hash, and forget those that have expired."""
    connection.execute(delete(enrolment_token).where(enrolment_token.c.expires_ts <= now))
    row = {"digest": digest, "expires_ts": expires, "created_by": by, "created_ts": now}
    connection.execute(insert(connection, enrolment_token).on_conflict_do_nothing(), row)


_VERSIONS = select(
    upload.c.version,
    upload.c.digest,
    func.coalesce(func.length(upload.c.content), 0).label("size"),
    upload.c.reverted_to,
    upload.c.uploaded_by,
    upload.c.uploaded_ts,
)


def _version(row: object) -> UploadVersion:
    version, digest, size, reverted_to, by, ts = row[:6]  # type: ignore[index]
    return UploadVersion(version=version, digest=digest, size=size, reverted_to=reverted_to, by=by, ts=ts)
