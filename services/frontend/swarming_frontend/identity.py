"""Who is calling: the one place that decides it. Until there are identities, everyone is anonymous and may do all."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity as upstream writes it: `kind:name`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


ANONYMOUS = Caller("anonymous", "anonymous")


def caller_of(request: HTTPConnection) -> Caller:
    """Who makes this request."""
    del request
    return ANONYMOUS
