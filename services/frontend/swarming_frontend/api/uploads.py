"""`server/bot_config`, `server/bootstrap`, `server/bot_archive` (extensions): files for bots and their versions."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from swarming_common.bot_code.archive import MAX_ARCHIVE_BYTES
from swarming_common.bot_code.kinds import UploadKind
from swarming_common.errors import NotFound
from swarming_common.http.body import read_body
from swarming_frontend.api.bodies import read_message
from swarming_frontend.api.description import body_in, body_of
from swarming_frontend.api.encoding import integer, present, reply, timestamp
from swarming_frontend.api.given import Use
from swarming_frontend.api.messages import Integer, Message
from swarming_frontend.identity import caller_of
from swarming_frontend.store.uploads import UploadVersion
from swarming_frontend.usecases.uploads import Uploaded

MAX_SCRIPT_BODY_BYTES = 2 * 1024 * 1024
"""Room for a script of half a megabyte with every character escaped; real ones have some kB."""

LARGEST_VERSION = 2**31 - 1

Number = Annotated[int, Path(ge=0, le=LARGEST_VERSION, description="Which version; 0 is what comes with the release.")]
QueryNumber = Annotated[int, Query(ge=0, le=LARGEST_VERSION)]
PageSize = Annotated[int, Query(ge=1, le=1000)]


class ScriptBody(Message):
    """A script to be put in force."""

    content: str


class RevertBody(Message):
    """The version to go back to; `replace_bots` only where that takes an archive away."""

    version: Integer
    replace_bots: bool = False


ARCHIVE = body_in("application/zip", {"type": "string", "format": "binary"})

router = APIRouter(prefix="/server", tags=["server"])


def _add_script(kind: UploadKind) -> None:
    @router.get(f"/{kind}", name=f"{kind}")
    @router.get(f"/get_{kind}", name=f"get_{kind}")
    async def current(use: Use) -> Response:
        """The script in force: `content`, `version`, and of an uploaded one `who` and `when`."""
        return reply(_script(await use.uploads.current(kind)))

    @router.post(f"/{kind}", name=f"upload_{kind}", openapi_extra=body_of(ScriptBody))
    async def put(request: Request, use: Use) -> Response:
        """Put a script in force. A text that is no Python is refused with its line."""
        body = await read_message(request, ScriptBody, MAX_SCRIPT_BODY_BYTES)
        by, now = str(caller_of(request)), use.clock.now()
        return reply(_facts(await use.uploads.upload(kind, body.content.encode(), by, now)))

    @router.get(f"/{kind}/diff", name=f"{kind}_diff")
    async def diff(
        use: Use, first: Annotated[QueryNumber, Query(alias="from")], to: QueryNumber | None = None
    ) -> Response:
        """What changed from one version to another, or to the one in force: a unified diff."""
        second = (await use.uploads.current(kind)).number if to is None else to
        text = await use.uploads.diff(kind, first, second)
        return reply(present(diff=text, **{"from": integer(first)}, to=integer(second)))

    @router.get(f"/{kind}/versions/{{number}}", name=f"{kind}_version")
    async def version(number: Number, use: Use) -> Response:
        """One version, with its content."""
        return reply(_script(await use.uploads.one(kind, number)))


def _add_versions(kind: UploadKind) -> None:
    @router.get(f"/{kind}/versions", name=f"{kind}_versions")
    async def versions(use: Use, limit: PageSize = 200, cursor: QueryNumber | None = None) -> Response:
        """All versions without their contents, the newest first, a page at a time."""
        found = await use.uploads.versions(kind, cursor, limit)
        more = integer(found[-1].version) if len(found) == limit else None
        return reply(present(items=[_facts(one) for one in found], cursor=more))

    @router.post(f"/{kind}/revert", name=f"revert_{kind}", openapi_extra=body_of(RevertBody))
    async def revert(request: Request, use: Use) -> Response:
        """Put an old version in force again, as a new one."""
        body = await read_message(request, RevertBody, MAX_SCRIPT_BODY_BYTES)
        by, now = str(caller_of(request)), use.clock.now()
        reverted = await use.uploads.revert(kind, body.version, by, now, replaces_bots=body.replace_bots)
        return reply(_facts(reverted))


for _kind in (UploadKind.BOT_CONFIG, UploadKind.BOOTSTRAP):
    _add_script(_kind)
    _add_versions(_kind)


@router.get(f"/{UploadKind.BOT_ARCHIVE}")
async def current_archive(use: Use) -> Response:
    """What is known of the archive that is served instead of the one this server builds; 404 if none is."""
    found = (await use.uploads.current(UploadKind.BOT_ARCHIVE)).version
    if found is None or found.digest is None:
        raise NotFound("no archive is uploaded: bots get the one that this server builds")
    return reply(_facts(found))


@router.post(f"/{UploadKind.BOT_ARCHIVE}", openapi_extra=ARCHIVE)
async def put_archive(request: Request, use: Use) -> Response:
    """Serve this zip, the request's body, instead. `bot_version` is the version that its bots will say."""
    content = await read_body(request, MAX_ARCHIVE_BYTES)
    by, now = str(caller_of(request)), use.clock.now()
    return reply(_facts(await use.uploads.upload(UploadKind.BOT_ARCHIVE, content, by, now)))


@router.delete(f"/{UploadKind.BOT_ARCHIVE}")
async def remove_archive(request: Request, use: Use, replace_bots: bool = False) -> Response:
    """Go back to the zip that this server builds; the same as a revert to version 0. Bots that run the archive keep it,
    unless `replace_bots` has them move to that zip."""
    by, now = str(caller_of(request)), use.clock.now()
    removed = await use.uploads.revert(UploadKind.BOT_ARCHIVE, 0, by, now, replaces_bots=replace_bots)
    return reply(_facts(removed))


_add_versions(UploadKind.BOT_ARCHIVE)


def _script(uploaded: Uploaded) -> dict[str, Any]:
    facts = {"version": "0"} if uploaded.version is None else _facts(uploaded.version)
    return {**facts, "content": uploaded.text}


def _facts(version: UploadVersion) -> dict[str, Any]:
    """`bot_version` only of archives: there the digest is the version of the code."""
    return present(
        version=integer(version.version),
        who=version.by,
        when=timestamp(version.ts),
        size=integer(version.size),
        digest=version.digest,
        reverted_to=integer(version.reverted_to),
    )
