"""Gives routes what is their instance's own. Routes and their app are built once in a process, in which several
instances of a service may live; a request finds its instance's things in `request.state`."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

State = Mapping[str, object]


def with_state(app: ASGIApp, state: State) -> ASGIApp:
    """The app for one instance: each request has a copy of this state."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {**state}
        await app(scope, receive, send)

    return answer
