"""Let idle bots hear of new code at once, but not all in the same moment: each fetches a zip and starts anew."""

import asyncio

from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.offers import Closed, Offers

BOTS_A_SECOND = 50


class RollOut:
    """Ends the held polls of bots whose code is not the current one; they poll again and are told."""

    def __init__(self, code: BotCode, offers: Offers) -> None:
        self._code = code
        self._offers = offers
        self._changed = asyncio.Event()
        code.on_change = lambda _: self._changed.set()

    async def run(self) -> None:
        """Goes on for good."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._code.current is None:
                continue
            for held in self._offers.held_with_other_code(self._code.current.version):
                self._offers.close(held, Closed.NEWS)
                await asyncio.sleep(1 / BOTS_A_SECOND)
