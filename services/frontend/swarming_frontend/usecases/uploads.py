"""Files for bots: upload, look up, compare, revert, take away. Every change is a new version; none is ever lost."""

import asyncio
import difflib
import hashlib
from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_common.bot_code.archive import unpack, version_of
from swarming_common.bot_code.defaults import default_bootstrap, default_bot_config
from swarming_common.bot_code.kinds import UploadKind
from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput, NotFound, Unavailable
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotFilesChanged
from swarming_frontend.script_check import check_archive, check_script
from swarming_frontend.store.uploads import NewUpload, UploadVersion, upload_version, upload_versions, write_upload

log = structlog.get_logger(__name__)

WRITES_TRIED = 5
"""How often a version is numbered anew when others upload at the same moment."""

_DEFAULTS = {UploadKind.BOT_CONFIG: default_bot_config, UploadKind.BOOTSTRAP: default_bootstrap}


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A version with what is in it; `version` is None for what comes with the release, which is version 0."""

    version: UploadVersion | None
    content: bytes | None
    """None only for an archive that was taken away."""

    @property
    def number(self) -> int:
        """Which version it is."""
        return 0 if self.version is None else self.version.version

    @property
    def text(self) -> str:
        """The content of a script."""
        return (self.content or b"").decode()


class Uploads:
    """Serves uploads."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def current(self, kind: UploadKind) -> Uploaded:
        """What is in force. Raises DatabaseAway."""
        newest = await self.versions(kind, None, 1)
        return await self.one(kind, newest[0].version if newest else 0)

    async def one(self, kind: UploadKind, number: int) -> Uploaded:
        """This version. Raises NotFound, DatabaseAway."""
        if number == 0:
            return Uploaded(version=None, content=_default(kind))
        found = await self._database.read(lambda connection: upload_version(connection, kind, number))
        if found is None:
            raise NotFound(f"there is no version {number} of {kind}")
        version, content = found
        return Uploaded(version=version, content=_default(kind) if content is None else content)

    async def versions(self, kind: UploadKind, before: int | None, limit: int) -> list[UploadVersion]:
        """The newest first. Raises DatabaseAway."""
        return await self._database.read(lambda connection: upload_versions(connection, kind, before, limit))

    async def upload(self, kind: UploadKind, content: bytes, by: str, now: datetime) -> UploadVersion:
        """Check it and put it in force. Raises InvalidInput, DatabaseAway."""
        digest = await asyncio.to_thread(_checked_digest, kind, content)
        new = NewUpload(kind=kind, content=content, digest=digest, reverted_to=None, by=by, now=now)
        return await self._write(new)

    async def revert(
        self, kind: UploadKind, number: int, by: str, now: datetime, *, replaces_bots: bool = False
    ) -> UploadVersion:
        """Put an old version in force again, as a new one; 0 is what comes with the release. Where that takes an
        archive away, the bots that run it keep it; with `replaces_bots` they move to the zip that is built here.
        Raises NotFound, InvalidInput, DatabaseAway."""
        old = await self.one(kind, number)
        is_default = old.version is None or old.version.digest is None
        if replaces_bots and not (kind is UploadKind.BOT_ARCHIVE and is_default):
            raise InvalidInput("replace_bots", "expected only where an archive is taken away")
        new = NewUpload(
            kind=kind,
            content=None if is_default else old.content,
            digest=None if old.version is None else old.version.digest,
            reverted_to=number,
            by=by,
            now=now,
            replaces_bots=replaces_bots,
        )
        return await self._write(new)

    async def diff(self, kind: UploadKind, first: int, second: int) -> str:
        """What changed between two versions of a script, as a unified diff. Raises NotFound, DatabaseAway."""
        old, new = await self.one(kind, first), await self.one(kind, second)
        names = (f"{kind}.py (version {first})", f"{kind}.py (version {second})")
        lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), *names, lineterm="")
        return "".join(f"{line}\n" for line in lines)

    async def _write(self, new: NewUpload) -> UploadVersion:
        for _ in range(WRITES_TRIED):
            written = await self._database.write(lambda connection: write_upload(connection, new))
            if written is not None:
                self._bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
                log.info("bot_file_uploaded", kind=str(new.kind), version=written.version, by=new.by)
                return written
        raise Unavailable("others upload at this moment; try again")


def _default(kind: UploadKind) -> bytes | None:
    default = _DEFAULTS.get(kind)
    return None if default is None else default().encode()


def _checked_digest(kind: UploadKind, content: bytes) -> str:
    if kind is UploadKind.BOT_ARCHIVE:
        files = unpack(content)
        check_archive(files)
        return version_of(files)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("content", f"expected UTF-8 ({error})") from error
    check_script(text, f"{kind}.py", is_below_other_lines=kind is UploadKind.BOOTSTRAP)
    return hashlib.sha256(content).hexdigest()
