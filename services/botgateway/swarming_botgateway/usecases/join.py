"""A machine joins or a bot updates itself: hand out the bootstrap script and the bot's zip."""

from dataclasses import dataclass
from datetime import datetime

from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.store.bot_code import read_bootstrap
from swarming_common.bot_code.defaults import bootstrap_script, default_bootstrap
from swarming_common.bot_code.enrolment import is_good
from swarming_common.database.port import Database


@dataclass(frozen=True, slots=True)
class BotZip:
    """The bot's code."""

    version: str
    content: bytes


class NoSuchCode:
    """That version was never served here, or is long gone."""


class TokenRefused:
    """A token is needed, or this one is none of ours or has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Serves machines that fetch code."""

    database: Database
    code_now: BotCode
    public_url: str
    token_required: bool

    async def script(self, token: str | None, now: datetime) -> str | TokenRefused:
        """The bootstrap script for this installation. Raises DatabaseAway."""
        if not await self._admits(token, now):
            return TokenRefused()
        uploaded = await self.database.read(read_bootstrap)
        body = default_bootstrap() if uploaded is None else uploaded.decode()
        return bootstrap_script(body, self.public_url.rstrip("/"), token or "")

    async def code(self, token: str | None, now: datetime) -> BotZip | NoSuchCode | TokenRefused:
        """The current zip. Raises DatabaseAway."""
        if not await self._admits(token, now):
            return TokenRefused()
        current = self.code_now.current
        return NoSuchCode() if current is None else await self.code_of(current.version)

    async def code_of(self, version: str) -> BotZip | NoSuchCode:
        """The zip of this version; to know it is to be a bot that was told of it. Raises DatabaseAway."""
        content = None if "\0" in version else await self.code_now.zip_of(version)
        return NoSuchCode() if content is None else BotZip(version, content)

    async def _admits(self, token: str | None, now: datetime) -> bool:
        """A token that is given has to be good even where none is needed: whoever sends one relies on it."""
        if not token:
            return not self.token_required
        return await self.database.read(lambda connection: is_good(connection, token, now))
