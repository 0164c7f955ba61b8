"""How hints travel: a JSON list of tagged objects, many packed into one message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pydantic_core
from pydantic import BaseModel, ConfigDict

from swarming_common.invalid import in_a_line


class Hint(BaseModel):
    """A private message between services; it may be lost, doubled, late or out of order.

    A subclass is registered under its name, which is its tag on the wire.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kinds: ClassVar[dict[str, type["Hint"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Hint.kinds[cls.__name__] = cls


@dataclass(frozen=True, slots=True)
class UnreadableHint:
    """A hint that this release cannot read. `body` is a message with nothing else in it; `kind` is empty if unknown."""

    kind: str
    reason: str
    body: bytes


def encode(hints: Sequence[Hint]) -> bytes:
    """One message for several hints, in their order."""
    return joined([encode_one(hint) for hint in hints])


def encode_one(hint: Hint) -> bytes:
    """One hint for a message; raises for what cannot be serialised."""
    return pydantic_core.to_json((type(hint).__name__, hint))


def joined(encoded: Sequence[bytes]) -> bytes:
    """One message for several hints that are encoded already."""
    return b"[" + b",".join(encoded) + b"]"


def decode(body: bytes) -> tuple[list[Hint], list[UnreadableHint]]:
    """The hints of a message in their order, and what in it cannot be read; one bad hint spoils no other."""
    try:
        pack = pydantic_core.from_json(body)
    except ValueError as error:
        return [], [UnreadableHint("", f"not JSON: {error}", body)]
    if not isinstance(pack, list):
        return [], [UnreadableHint("", "expected a list of hints", body)]
    try:
        return [Hint.kinds[kind].model_validate(fields) for kind, fields in pack], []
    except (KeyError, ValueError, TypeError):
        return _decode_each(pack)


def _decode_each(pack: list[object]) -> tuple[list[Hint], list[UnreadableHint]]:
    hints: list[Hint] = []
    unreadable: list[UnreadableHint] = []
    for tagged in pack:
        kind, reason = "", "expected a pair of a hint's name and its fields"
        if isinstance(tagged, list) and len(tagged) == 2 and isinstance(tagged[0], str):
            kind, reason = tagged[0], f"unknown hint {tagged[0]!r}"
            if kind in Hint.kinds:
                try:
                    hints.append(Hint.kinds[kind].model_validate(tagged[1]))
                    continue
                except ValueError as error:
                    reason = in_a_line(error)
        unreadable.append(UnreadableHint(kind, reason, pydantic_core.to_json([tagged])))
    return hints, unreadable
