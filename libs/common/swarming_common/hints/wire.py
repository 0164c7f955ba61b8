"""How hints travel: a JSON list of tagged objects, many packed into one message."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError


class Hint(BaseModel):
    """A private message between services; it may be lost, doubled, late or out of order.

    A subclass is registered under its name, which is its tag on the wire.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kinds: ClassVar[dict[str, type["Hint"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Hint.kinds[cls.__name__] = cls


class UnreadableHint(ValueError):
    """A message that is no list of known hints."""


def encode(hints: Sequence[Hint]) -> bytes:
    """One message for several hints, in their order."""
    return pydantic_core.to_json([(type(hint).__name__, hint) for hint in hints])


def decode(body: bytes) -> list[Hint]:
    """The hints of a message. Raises UnreadableHint, with the reason."""
    try:
        pack: list[tuple[str, object]] = pydantic_core.from_json(body)
        if not isinstance(pack, list):
            raise UnreadableHint("expected a list of hints")
        return [Hint.kinds[kind].model_validate(fields) for kind, fields in pack]
    except KeyError as error:
        raise UnreadableHint(f"unknown hint {error.args[0]!r}") from error
    except (ValidationError, ValueError, TypeError) as error:
        raise UnreadableHint(str(error)) from error
