"""Files for bots, as the API keeps them: hooks, the bootstrap script and the archive, each in versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from swarming_client.messages import Json, time_of
from swarming_client.transport import Call

LARGEST_PAGE = 1000  # versions, the server's limit

Reply = TypeVar("Reply")
Ask = Callable[[Callable[[Json], Reply], Call], Reply]


@dataclass(frozen=True, kw_only=True)
class UploadedVersion:
    """One version; number 0 is what comes with the server's release and was uploaded by nobody.

    `digest` is None where a version went back to what comes with the release; of an archive it is the version that
    its bots say. `content` is None in lists, and of archives.
    """

    version: int
    who: str
    when: datetime | None
    size: int
    digest: str | None
    reverted_to: int | None
    content: str | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> UploadedVersion:
        """Read one; raises KeyError, TypeError or ValueError when it is none."""
        reverted_to = json.get("reverted_to")
        return cls(
            version=int(json["version"]),
            who=json.get("who", ""),
            when=time_of(json.get("when")),
            size=int(json.get("size", 0)),
            digest=json.get("digest"),
            reverted_to=None if reverted_to is None else int(reverted_to),
            content=json.get("content"),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class JoinToken:
    """What lets a machine become a bot: `command` is to be run there before `expires`."""

    token: str
    command: str
    expires: datetime | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> JoinToken:
        """Read one; raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            token=json["bootstrap_token"],
            command=json.get("command", ""),
            expires=time_of(json.get("expires_ts")),
            json=json,
        )


class Uploads:
    """One kind of file: `bot_config`, `bootstrap` or `bot_archive`. Made by `Swarming.uploads`."""

    def __init__(self, kind: str, ask: Ask[UploadedVersion], ask_json: Ask[Json]) -> None:
        self._path = f"server/{kind}"
        self._ask = ask
        self._ask_json = ask_json

    def current(self) -> UploadedVersion:
        """Get the version in force; of an archive raises NotFound when none is."""
        return self._get(self._path)

    def version(self, number: int) -> UploadedVersion:
        """Get one version of a script, with its content."""
        return self._get(f"{self._path}/versions/{number}")

    def versions(self) -> list[UploadedVersion]:
        """List all versions, the newest first, without contents."""
        found: list[UploadedVersion] = []
        query: dict[str, int | str | float | list[str]] = {"limit": LARGEST_PAGE}
        while True:
            page = self._ask_json(dict, Call(method="GET", path=f"{self._path}/versions", query=query))
            found += [UploadedVersion.from_json(one) for one in page.get("items", [])]
            if not page.get("cursor"):
                return found
            query = {**query, "cursor": page["cursor"]}

    def upload(self, content: str) -> UploadedVersion:
        """Put a script in force."""
        return self._post(self._path, {"content": content})

    def upload_archive(self, content: bytes) -> UploadedVersion:
        """Have the server hand out this zip instead of its own."""
        return self._ask(UploadedVersion.from_json, Call(method="POST", path=self._path, content=content))

    def diff(self, first: int, second: int | None = None) -> str:
        """Compare two versions of a script, or one with the one in force: a unified diff, empty if they are equal."""
        query = {"from": first} | ({} if second is None else {"to": second})
        reply = self._ask_json(dict, Call(method="GET", path=f"{self._path}/diff", query=query))
        return str(reply.get("diff", ""))

    def revert(self, number: int, *, replace_bots: bool = False) -> UploadedVersion:
        """Put an old version in force again, as a new one; 0 is what comes with the release.

        replace_bots: where that takes an archive away, its bots move to the server's own zip instead of keeping it.
        """
        more = {"replace_bots": True} if replace_bots else {}
        return self._post(f"{self._path}/revert", {"version": number, **more})

    def _get(self, path: str) -> UploadedVersion:
        return self._ask(UploadedVersion.from_json, Call(method="GET", path=path))

    def _post(self, path: str, body: Json) -> UploadedVersion:
        return self._ask(UploadedVersion.from_json, Call(method="POST", path=path, body=body))
