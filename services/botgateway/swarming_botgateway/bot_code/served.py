"""The bot code that this gateway serves: built from rows that all gateways read, so that they agree on one version."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from swarming_botgateway.bot_code.build import BotPackage, BuiltZip, build_zip
from swarming_botgateway.bot_code.rule import BotUpdates, update_for
from swarming_botgateway.bot_word import BotWord, Nameless
from swarming_botgateway.store.bot_code import CodeRows, read_code_rows, read_zip, write_build
from swarming_common.bot_code.current import CurrentCode
from swarming_common.bot_code.defaults import default_bot_config
from swarming_common.clock import Clock
from swarming_common.database.port import Database

log = structlog.get_logger(__name__)

WANT_EVERY = timedelta(seconds=20)
"""How often a gateway says that it would serve its build; a third of the time for which that counts."""

ZIPS_KEPT = 4
"""In memory: the current one, and those that others still fetch."""


@dataclass(frozen=True, slots=True)
class HooksOfBot:
    """The uploaded hooks of one bot."""

    version: int
    """0 if it has none: those of the release, or a bot that got its code elsewhere."""
    source: str | None = None
    """What the handshake brings, for a bot of an uploaded archive; in the server's own zip the hooks are a file."""


class BotCode:
    """Which version bots should run, and the zips."""

    def __init__(self, database: Database, clock: Clock, package: BotPackage, rule: BotUpdates) -> None:
        self.on_change: Callable[[str], None] = lambda _: None
        """Told the version that bots should run from now on."""
        self.current: CurrentCode | None = None
        self._database = database
        self._clock = clock
        self._package = package
        self._rule = rule
        self._rows: CodeRows | None = None
        self._built: BuiltZip | None = None
        self._built_hooks: tuple[int, bytes] | None = None
        self._wanted: datetime | None = None
        self._zips: OrderedDict[str, bytes] = OrderedDict()
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Read what is uploaded, build what is new, see what is current. Repeats safely. Raises DatabaseAway."""
        async with self._refreshing:
            now = self._clock.now()
            rows = await self._database.read(lambda connection: read_code_rows(connection, now))
            hooks = default_bot_config().encode() if rows.hooks is None else rows.hooks
            built = await self._build(rows.hooks_version, hooks)
            if built.version not in rows.builds or self._wanted is None or now - self._wanted >= WANT_EVERY:
                await self._want(built, rows.hooks_version, now)
                rows = await self._database.read(lambda connection: read_code_rows(connection, now))
            self._rows = rows
            self._take(rows.current)

    def update_for(self, word: BotWord | Nameless) -> str | None:
        """The version that this bot is to update to; None if it is to go on."""
        current = None if self.current is None else self.current.version
        replaced = frozenset() if self._rows is None else self._rows.replaced
        return update_for(word.version, word.state, current, replaced, self._rule)

    def takes_hooks_by_handshake(self, word: BotWord) -> bool:
        """Whether this bot runs an archive that was uploaded here: the uploaded hooks are not in that zip."""
        rows = self._rows
        return rows is not None and word.version in rows.archives and word.version not in rows.builds

    def hooks_for(self, word: BotWord) -> HooksOfBot:
        """Which uploaded hooks a bot with this word has or gets."""
        if self._rows is None:
            return HooksOfBot(0)
        if (version := self._rows.builds.get(word.version)) is not None:
            return HooksOfBot(version)
        if self.takes_hooks_by_handshake(word):
            return HooksOfBot(self._rows.hooks_version, None if self._rows.hooks is None else self._rows.hooks.decode())
        return HooksOfBot(0)

    async def zip_of(self, version: str) -> bytes | None:
        """The zip of a version that is, or was, served; None for any other. Raises DatabaseAway."""
        if (kept := self._zips.get(version)) is not None:
            self._zips.move_to_end(version)
            return kept
        content = await self._database.read(lambda connection: read_zip(connection, version))
        if content is not None:
            self._zips[version] = content
            if len(self._zips) > ZIPS_KEPT:
                self._zips.popitem(last=False)
        return content

    async def _build(self, hooks_version: int, hooks: bytes) -> BuiltZip:
        if self._built is None or self._built_hooks != (hooks_version, hooks):
            self._built = await asyncio.to_thread(build_zip, self._package, hooks)
            self._built_hooks = hooks_version, hooks
            self._wanted = None
        return self._built

    async def _want(self, built: BuiltZip, hooks_version: int, now: datetime) -> None:
        package = self._package.version
        await self._database.write(lambda connection: write_build(connection, built, package, hooks_version, now))
        self._wanted = now

    def _take(self, current: CurrentCode | None) -> None:
        if current is not None and current != self.current:
            self.current = current
            log.info("bot_code_current", version=current.version, is_uploaded=current.is_uploaded)
            self.on_change(current.version)
