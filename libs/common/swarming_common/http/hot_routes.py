"""Answers the busiest routes of an app below it: the app's own layers cost more than the work there."""

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from swarming_common.http.state import State

Endpoint = Callable[[Request], Awaitable[Response]]


def below(app: Starlette, routes: Sequence[Route], state: State) -> ASGIApp:
    """The app for one instance, as state.py's `with_state` makes it, with these of its routes answered before anything
    else is done. Their endpoints take a request and return a response; what they raise is answered by the app's
    exception handlers, as everywhere."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {**state}
        route = _fitting(routes, scope)
        if route is None:
            await app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await cast(Endpoint, route.endpoint)(request)
        except Exception as error:
            response = await _answer_error(app, request, error)
        await response(scope, receive, send)

    return answer


def _fitting(routes: Sequence[Route], scope: Scope) -> Route | None:
    if scope["type"] != "http":
        return None
    for route in routes:
        match, found = route.matches(scope)
        if match is Match.FULL:
            scope.update(found)
            return route
    return None


async def _answer_error(app: Starlette, request: Request, error: Exception) -> Response:
    for kind in type(error).__mro__:
        if kind in app.exception_handlers:
            handler = cast(Callable[[Request, Exception], Awaitable[Response]], app.exception_handlers[kind])
            return await handler(request, error)
    raise error
