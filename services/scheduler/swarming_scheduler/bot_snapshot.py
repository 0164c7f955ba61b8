"""What a bot was when it was given a run: stored once for all runs that the same bot, unchanged, carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pydantic_core


@dataclass(frozen=True, slots=True)
class BotSnapshot:
    """A row of `bot_snapshot`."""

    bot_snapshot_id: int
    version: str
    dimensions: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, version: str, dimensions: Mapping[str, Sequence[str]]) -> "BotSnapshot":
        """With an id of 64 bits that depends on the version and the dimensions only."""
        content = pydantic_core.to_json([version, sorted(dimensions.items())])
        digest = blake2b(content, digest_size=8).digest()
        return cls(int.from_bytes(digest, "big", signed=True), version, dimensions)

    def row(self) -> dict[str, Any]:
        """As the table holds it."""
        return {
            "bot_snapshot_id": self.bot_snapshot_id,
            "version": self.version,
            "dimensions": self.dimensions,
        }
