"""Owns one shard: feeds its memory with what arrives, and carries out what is decided."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

import structlog

from swarming_common.background import Background
from swarming_common.bus.port import Bus, Mailbox
from swarming_common.database.feed import Feed
from swarming_common.database.tables import run_report
from swarming_common.events.relay import Relay
from swarming_common.hints import addresses
from swarming_common.hints.frontend import TasksPending
from swarming_common.hints.gateway import ShardAlive
from swarming_common.hints.scheduler import CommandGiven, CommandsGiven, Report, TaskSubmitted
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.model.task_id import RunId
from swarming_scheduler import metrics, store
from swarming_scheduler.assignment import run_assigned
from swarming_scheduler.changes import Changes, Cursors
from swarming_scheduler.commands import Commands
from swarming_scheduler.consumers import HINTS
from swarming_scheduler.deciding import Deciding
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.intake import Intake
from swarming_scheduler.parents import Parents
from swarming_scheduler.patience import patiently
from swarming_scheduler.rows import EventNumbers
from swarming_scheduler.rules import Rules
from swarming_scheduler.state import LiveRun, LiveTask, ShardState
from swarming_scheduler.takeover import Loading
from swarming_scheduler.usecases.bid import end_lost_bids
from swarming_scheduler.usecases.end import end_orphans
from swarming_scheduler.usecases.expire import expire
from swarming_scheduler.usecases.hand_out import listen_anew, resend_unconfirmed, revoke_silent, settle_revoked
from swarming_scheduler.usecases.offer import drop_stale_offers
from swarming_scheduler.usecases.report import take_report, write_costs

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 0.25
ALIVE_SECONDS = 1.0
PARENTS_SECONDS = 0.05
"""Between two looks at parents elsewhere, each of which waits for something to look at."""
SETTLED_AT_ONCE = 200


class Shard:
    """A shard whose lock this process holds, from its takeover to its release or loss."""

    def __init__(
        self, ports: Ports, rules: Rules, row: store.Row, fleet: Fleet, wake_commit: Callable[[], None]
    ) -> None:
        """`row` is the shard's row of the new epoch; `wake_commit` asks for a commit of what changed."""
        self.number: int = row["shard"]
        self.epoch: int = row["epoch"]
        self.state = ShardState(self.number, rules)
        self.event_numbers = EventNumbers(row["last_seq"])
        self._ports = ports
        self._on_decided = partial(_send_decided, self.state, ports.bus, wake_commit)
        self._relay = Relay(ports.database, ports.bus, self.number, row["relayed_seq"])
        self._intake = Intake(self.state, ports, row["request_cursor"], self._on_decided)
        self._commands = Commands(self.state, ports.database, ports.clock, row["command_cursor"], self._intake)
        self._parents = Parents(self.state, ports.database, ports.clock, self._on_decided)
        self._reports = Feed(run_report, store.reports_made(self.number), row["report_cursor"])
        self._loading = Loading(self.state, ports.database, ports.clock, self._on_decided)
        self._is_loaded = asyncio.Event()
        self._mailbox: Mailbox | None = None
        self._early: deque[Hint] | None = deque()
        self._since = ports.clock.now()
        self.state.capacity, self.state.served_since = fleet.capacity, self._since
        self._deciding = Deciding(self.state, ports.database, fleet, ports.clock, self._on_decided)
        self._background = Background()

    async def open(self) -> None:
        """Take over: listen, load what runs, and say that the shard is served."""
        self._mailbox = await self._ports.bus.open_mailbox(self._read)
        await self._mailbox.listen(addresses.shard(self.number))
        await self._loading.load_runs()
        await patiently(self.number, "reports", self._read_reports)  # a bot whose run ended meanwhile is free
        early, self._early = self._early or deque(), None
        for hint in early:
            self._read(hint)
        self._background.start(self._relay.run(), f"relay:{self.number}")
        self._background.every(SWEEP_SECONDS, self._sweep, f"sweep:{self.number}")
        self._background.every(PARENTS_SECONDS, self._parents.look, f"parents:{self.number}")
        self._background.every(ALIVE_SECONDS, self._tell_alive, f"alive:{self.number}")
        self._on_decided()
        await self._tell_alive()
        log.info("shard_taken_over", shard=self.number, epoch=self.epoch, running=len(self.state.tasks))

    async def load(self, feed_seconds: float, costs_seconds: float) -> None:
        """Load what is pending, which is served meanwhile, and catch up with the feeds."""
        began = self._ports.clock.monotonic()
        await patiently(self.number, "requests", self._intake.read_feed)  # they have their place among the pending
        await self._loading.load_pending()
        self._is_loaded.set()
        await patiently(self.number, "feeds", self.read_feeds)
        self._background.every(feed_seconds, self.read_feeds, f"feeds:{self.number}")
        self._background.every(costs_seconds, self._write_costs, f"costs:{self.number}")
        seconds = round(self._ports.clock.monotonic() - began, 3)
        log.info("shard_loaded", shard=self.number, epoch=self.epoch, tasks=len(self.state.tasks), seconds=seconds)

    async def close(self) -> None:
        """Stop listening and deciding; what was decided is still to be committed."""
        await self._background.__aexit__(None, None, None)
        metrics.forget(self.number)
        if self._mailbox is not None:
            await self._mailbox.close()
            self._mailbox = None  # which knows this shard: together they would stay until the next full collection

    def take_changes(self, most_tasks: int) -> Changes:
        """What was decided since the last commit, of so many tasks; the caller now must commit it."""
        changes, self.state.changes = self.state.changes.split(most_tasks)
        return changes

    def tell(self, changes: Changes, requests: store.Requests) -> None:
        """Tell the others what has just been committed."""
        for run in changes.assigned:
            self._hand_out(run, requests[run.run_id.task_id])
        for address, hint in changes.hints:
            self._ports.bus.send(address, hint)
        if changes.revoked:
            self._background.start(self._settle(changes.revoked), f"settle:{self.number}")
        if changes.undecided:
            self._background.start(self._deciding.decide(changes.undecided), f"decide:{self.number}")
        if changes.events:
            self._relay.wake()
        for told in changes.events:
            self._ports.cache.announce(f"task:{told.task_id:x}")
        metrics.count(changes)

    def on_bus_back(self) -> None:
        """Hints were lost meanwhile: read the tables, and let the gateways compare notes."""
        listen_anew(self.state, self._ports.clock.now())
        self._relay.wake()
        self._background.start(self.read_feeds(), f"feeds:{self.number}")

    async def read_feeds(self) -> None:
        """Find what no hint told: requests first, then what concerns tasks that are here."""
        await self._is_loaded.wait()
        await self._intake.read_feed()
        await self._read_reports()
        await self._commands.read_feed()
        self.note_cursors()
        self._on_decided()

    async def _read_reports(self) -> None:
        async for rows in self._reports.read(self._ports.database):
            now = self._ports.clock.now()
            self._expire(now)
            for row, report in store.readable_reports(rows):
                take_report(self.state, row.task_id, row.run_number, row.bot_id, report, now)

    def note_cursors(self) -> None:
        """Have the next commit store how far this shard has come, but not past a request without a row."""
        self.state.changes.cursors = [
            Cursors(
                shard=self.number,
                request_cursor=self._intake.decided_cursor,
                command_cursor=self._commands.cursor,
                report_cursor=self._reports.cursor,
                last_seq=self.event_numbers.last,
                relayed_seq=self._relay.relayed_seq,
            )
        ]

    def _read(self, hint: Hint) -> None:
        if self._early is not None:
            self._early.append(hint)
        elif isinstance(hint, TaskSubmitted) and hint.created_ts < self._since:
            pass  # it may have ended under another owner: the feed, which asks the tables, takes it in if it has not
        elif isinstance(hint, CommandGiven):
            self._background.start(self._act_on(partial(self._commands.look_up, hint.command_id)), "look_up_command")
        elif isinstance(hint, CommandsGiven):
            self._background.start(self._act_on(self._commands.read_feed), "read_commands")
        elif (react := HINTS.get(type(hint))) is not None:
            now = self._ports.clock.now()
            self._expire(now)
            react(self.state, hint, now)
            self._parents.wake()
            self._on_decided()

    async def _act_on(self, commands: Callable[[], Awaitable[None]]) -> None:
        await self._is_loaded.wait()  # a task that is not known may be one that is not loaded yet
        await commands()
        self._on_decided()

    def _hand_out(self, run: LiveRun, stored: store.StoredRequest) -> None:
        if run.state.is_final or run.is_confirmed or run.revoking is not None:
            return
        run.assignment = run_assigned(self.state, run, stored)
        self._ports.bus.send(addresses.gateway(run.gateway_id), run.assignment)

    async def _settle(self, revoked: Sequence[tuple[LiveTask, LiveRun]]) -> None:
        """The second step of taking runs back; until it is done nobody else may touch them, so it does not give up."""
        for start in range(0, len(revoked), SETTLED_AT_ONCE):
            some = revoked[start : start + SETTLED_AT_ONCE]
            runs = [(run.run_id, run.bot_id) for _, run in some]
            reports = await patiently(self.number, "revoked runs", partial(self._reports_of, runs))
            now = self._ports.clock.now()
            for task, run in some:
                settle_revoked(self.state, task, run, reports[run.run_id], now)
            self._on_decided()

    async def _reports_of(self, runs: Sequence[tuple[RunId, str]]) -> dict[RunId, list[Report]]:
        return await self._ports.database.read(lambda c: store.reports_of(c, runs))

    async def _sweep(self) -> None:
        now = self._ports.clock.now()
        self._expire(now)
        drop_stale_offers(self.state, now)
        resend_unconfirmed(self.state, now)
        if self._ports.bus.connected:  # else no bot can be heard, and its silence means nothing
            revoke_silent(self.state, now)
        end_orphans(self.state, now)
        end_lost_bids(self.state, now)
        self._on_decided()

    def _expire(self, now: datetime) -> None:
        """Also before anything that may give a bot work: a process that was stopped for a while reads what came
        meanwhile before its next sweep, and must not start what is overdue by now."""
        if not self.state.changes.is_backlog:
            expire(self.state, now)

    async def _write_costs(self) -> None:
        write_costs(self.state)
        self._on_decided()

    async def _tell_alive(self) -> None:
        offers = Counter(offer.gateway_id for bot in self.state.bots.values() for offer in bot.offers.values())
        has_pending = self.state.count_pending() > 0
        alive = ShardAlive(shard=self.number, epoch=self.epoch, offers=dict(offers), has_pending=has_pending)
        self._ports.bus.send(addresses.ALL_GATEWAYS, alive)
        pools = self.state.rules.pools
        if pools.has_limits:
            waiting = self.state.pending_in_pools()
            pending = {pool: count for pool, count in waiting.items() if pools.of(pool).max_pending is not None}
            self._ports.bus.send(addresses.ALL_FRONTENDS, TasksPending(shard=self.number, pending=pending))
        metrics.show(self.number, self.state)


def _send_decided(state: ShardState, bus: Bus, wake_commit: Callable[[], None]) -> None:
    """Ask for a commit of what changed; bids are sent at once."""
    answers, state.answers = state.answers, []
    for address, made in answers:
        bus.send(address, made)
    if state.changes:
        wake_commit()
