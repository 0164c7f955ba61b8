"""Slows down a bot that speaks without end, so that one broken bot does not take the gateway from all others.

A call is answered the later the more often its bot calls. A bot waits for an answer before it asks again, so the delay
bounds its rate. Who does not wait is told 429, which bots take for a reason to try again later (bot-api.md section 1).
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from swarming_botgateway.api.replies import BASE, error_reply
from swarming_botgateway.api.sender import BOT_ID_HEADER
from swarming_botgateway.metrics import CALLS_DELAYED

MAX_DELAY_SECONDS = 10.0
"""Well below the 60 s for which a bot waits for the first byte of an answer (bot-api.md section 1)."""

MAX_DELAYED_CALLS = 20
"""Of one caller at a time. A bot process has one call under way, and a few more after connections that were cut."""

REMEMBERED_CALLERS = 50_000

TOO_MANY = f"expected at most {MAX_DELAYED_CALLS} calls of one bot at a time; try again later"

_HEADER = BOT_ID_HEADER.lower().encode()


@dataclass(slots=True)
class _Budget:
    """How many calls a caller may make at once, as of a moment in monotonic seconds; negative when it made more."""

    calls: float
    at: float
    delayed: int = 0
    """Its calls that wait just now."""


@dataclass(kw_only=True)
class CallBudgets:
    """A budget of calls for each bot, which grows with time up to a limit."""

    calls_per_second: float
    burst: float
    monotonic: Callable[[], float]
    _budgets: "OrderedDict[bytes, _Budget]" = field(default_factory=OrderedDict)

    def budget_of(self, caller: bytes) -> _Budget:
        """What this caller has left; callers that were not heard of for long are forgotten."""
        budget = self._budgets.get(caller)
        if budget is None:
            budget = self._budgets[caller] = _Budget(self.burst, self.monotonic())
            if len(self._budgets) > REMEMBERED_CALLERS:
                self._budgets.popitem(last=False)
        self._budgets.move_to_end(caller)
        return budget

    def delay_of_next(self, budget: _Budget) -> float:
        """Take one call from a budget. How long to delay the answer, in seconds; mostly 0."""
        now = self.monotonic()
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
            budget = budgets.budget_of(_caller(scope))
            if budget.delayed >= MAX_DELAYED_CALLS:
                await error_reply(TOO_MANY, 429)(scope, receive, send)
                return
            delay = budgets.delay_of_next(budget)
            if delay > 0:
                CALLS_DELAYED.inc()
                budget.delayed += 1
                try:
                    await asyncio.sleep(delay)
                finally:
                    budget.delayed -= 1
        await app(scope, receive, send)

    return delayed


def _caller(scope: Scope) -> bytes:
    """The bot that the call names, or the address that it comes from; as a hash, for nobody limits its length."""
    named = next((value for name, value in scope["headers"] if name == _HEADER), b"")
    address = scope.get("client")
    caller = named or str(address[0] if address else "").encode()
    return hashlib.blake2b(caller, digest_size=16).digest()
