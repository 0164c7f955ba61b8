"""Slows down a bot that speaks without end, so that one broken bot does not take the gateway from all others.

Nothing is refused: each call is answered, the later the more often the bot calls. Every bot waits for an answer before
it asks again, so the delay bounds its rate.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from swarming_botgateway.api.replies import BASE
from swarming_botgateway.api.sender import BOT_ID_HEADER
from swarming_botgateway.metrics import CALLS_DELAYED

MAX_DELAY_SECONDS = 10.0
"""Well below the 60 s for which a bot waits for the first byte of an answer (bot-api.md section 1)."""

REMEMBERED_CALLERS = 50_000

_HEADER = BOT_ID_HEADER.lower().encode()


@dataclass(slots=True)
class _Budget:
    """How many calls a caller may make at once, as of a moment in monotonic seconds; negative when it made more."""

    calls: float
    at: float


@dataclass(kw_only=True)
class CallBudgets:
    """A budget of calls for each bot, which grows with time up to a limit."""

    calls_per_second: float
    burst: float
    monotonic: Callable[[], float]
    _budgets: "OrderedDict[bytes, _Budget]" = field(default_factory=OrderedDict)

    def delay_of_next(self, caller: bytes) -> float:
        """Take one call from the caller's budget. How long to delay the answer, in seconds; mostly 0."""
        now = self.monotonic()
        budget = self._budgets.get(caller)
        if budget is None:
            budget = self._budgets[caller] = _Budget(self.burst, now)
            if len(self._budgets) > REMEMBERED_CALLERS:
                self._budgets.popitem(last=False)
        grown = budget.calls + (now - budget.at) * self.calls_per_second
        budget.calls, budget.at = min(self.burst, grown) - 1, now
        if budget.calls >= 0:
            return 0.0
        delay = min(-budget.calls / self.calls_per_second, MAX_DELAY_SECONDS)
        budget.calls = max(budget.calls, -MAX_DELAY_SECONDS * self.calls_per_second)
        return delay


def with_slow_down(app: ASGIApp, budgets: CallBudgets) -> ASGIApp:
    """The same app, in which calls of the bot protocol are delayed when their bot has used up its budget."""

    async def delayed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(BASE):
            delay = budgets.delay_of_next(_caller(scope))
            if delay > 0:
                CALLS_DELAYED.inc()
                await asyncio.sleep(delay)
        await app(scope, receive, send)

    return delayed


def _caller(scope: Scope) -> bytes:
    """The bot that the call names, or the address that it comes from."""
    for name, value in scope["headers"]:
        if name == _HEADER:
            return bytes(value)
    address = scope.get("client")
    return b"" if address is None else str(address[0]).encode()
