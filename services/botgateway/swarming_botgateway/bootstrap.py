"""Builds the gateway on its ports."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from starlette.types import ASGIApp

from swarming_botgateway.app import BOT_ROUTES, app
from swarming_botgateway.bot_code.build import installed_package
from swarming_botgateway.bot_code.rollout import RollOut
from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.bot_facts import KnownBot
from swarming_botgateway.consumers import hint_reader
from swarming_botgateway.event_relay import BotEventRelay
from swarming_botgateway.heard import Heard
from swarming_botgateway.offers import Closed, Offers
from swarming_botgateway.presence import Presence
from swarming_botgateway.roll_call import RollCall
from swarming_botgateway.settings import BotGatewaySettings
from swarming_botgateway.slow_down import CallBudgets, with_slow_down
from swarming_botgateway.store.bot_events import BotEvent, write_bot_events
from swarming_botgateway.store.bots import shard_count
from swarming_botgateway.store.hot_bots import hot_known_bots
from swarming_botgateway.store.updates import RunUpdate, Verdict, hot_revoked_runs, hot_updates
from swarming_botgateway.usecases.connect import Connect, Connected, Handshake, write_handshakes
from swarming_botgateway.usecases.join import Join
from swarming_botgateway.usecases.judge_failures import JudgeFailures
from swarming_botgateway.usecases.keep_standing import KeepStanding
from swarming_botgateway.usecases.lost_runs import LostAtPoll
from swarming_botgateway.usecases.next_run import NextRun
from swarming_botgateway.usecases.note_missing import LOOK_SECONDS, NoteMissing
from swarming_botgateway.usecases.obey_commands import ObeyCommands
from swarming_botgateway.usecases.poll import Poll
from swarming_botgateway.usecases.record_event import RecordEvent
from swarming_botgateway.usecases.refuse_inputs import RefuseInputs
from swarming_botgateway.usecases.registry import Usecases
from swarming_botgateway.usecases.report import ReportRun
from swarming_botgateway.usecases.tell_account import TellAccount
from swarming_common.background import Background
from swarming_common.database.group_commit import GroupCommit, HotGroupCommit
from swarming_common.database.group_read import GroupRead
from swarming_common.database.health import DatabaseHealth
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotCommandsGiven, BotFilesChanged, BotSettingChanged
from swarming_common.http.hot_routes import below
from swarming_common.http.operations import expect
from swarming_common.lifecycle import BuildService, Ports
from swarming_common.model.task_id import RunId

MAX_UPDATES_IN_A_COMMIT = 100
"""Each may carry a chunk of output, so this bounds the size of a statement."""

MAX_HANDSHAKES_IN_A_COMMIT = 20
"""Each is several statements, and the first of them waits for the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What the use cases share."""

    ports: Ports
    settings: BotGatewaySettings
    offers: Offers
    presence: Presence
    heard: Heard
    updates: GroupCommit[RunUpdate, Verdict]
    events: GroupCommit[BotEvent, None]
    handshakes: GroupCommit[tuple[Handshake, datetime], Connected]
    known_bots: GroupRead[str, KnownBot | None]
    revoked: GroupRead[tuple[RunId, str], bool]
    standing: KeepStanding
    commands: ObeyCommands
    missing: NoteMissing
    relay: BotEventRelay
    health: DatabaseHealth
    code: BotCode
    shard_count: int


def build(settings: BotGatewaySettings) -> BuildService:
    """A gateway with these settings; each one that is built has an id of its own."""

    @asynccontextmanager
    async def gateway(ports: Ports) -> AsyncIterator[ASGIApp]:
        parts = await _parts(ports, settings)
        async with _finished(parts), Background() as background, _listening(parts, background):
            background.start(_close_when_stopping(parts), "answer_held_polls")
            background.every(settings.seen_seconds, parts.presence.write, "write_seen_bots")
            background.every(settings.heard_seconds, parts.heard.tell, "tell_heard_runs")
            background.start(_look_for_commands(parts), "obey_commands")
            background.every(settings.bot_commands_seconds, lambda: _look_for_commands(parts), "read_bot_commands")
            background.every(LOOK_SECONDS, lambda: _look_for_missing(parts), "note_missing_bots")
            background.start(parts.relay.run(), "relay_bot_events")
            background.start(RollOut(parts.code, parts.offers).run(), "roll_out_bot_code")
            background.every(settings.bot_code_seconds, parts.code.refresh, "refresh_bot_code")
            yield _serving(parts)
            parts.offers.close_all(Closed.STOPPING)

    return gateway


async def _parts(ports: Ports, settings: BotGatewaySettings) -> _Parts:
    offers = Offers(uuid4().hex[:12], ports.bus.send, ports.clock.monotonic)
    code = BotCode(ports.database, ports.clock, installed_package(settings.public_url), settings.bot_updates)
    await code.refresh()
    return _Parts(
        ports=ports,
        settings=settings,
        offers=offers,
        presence=Presence(ports.database, settings.state_seconds),
        heard=Heard(ports.bus, ports.database),
        updates=HotGroupCommit(
            ports.database,
            hot_updates,
            name="run_updates",
            durable=lambda update: not update.only_confirms,
            max_items=MAX_UPDATES_IN_A_COMMIT,
        ),
        events=GroupCommit(ports.database, write_bot_events, name="bot_events"),
        handshakes=GroupCommit(
            ports.database, write_handshakes, name="handshakes", max_items=MAX_HANDSHAKES_IN_A_COMMIT
        ),
        known_bots=GroupRead(ports.database, hot_known_bots, name="known_bots"),
        revoked=GroupRead(ports.database, hot_revoked_runs, name="revoked_runs"),
        standing=KeepStanding(ports.database),
        commands=ObeyCommands(database=ports.database, bus=ports.bus, offers=offers),
        missing=NoteMissing(ports.database, timedelta(seconds=settings.bot_death_timeout_secs)),
        relay=BotEventRelay(ports.database, ports.bus, offers.gateway_id),
        health=DatabaseHealth(ports.database, ports.clock),
        code=code,
        shard_count=await ports.database.read(shard_count),
    )


def _poll(parts: _Parts) -> Poll:
    return Poll(
        database=parts.ports.database,
        known_bots=parts.known_bots,
        bus=parts.ports.bus,
        offers=parts.offers,
        presence=parts.presence,
        standing=parts.standing,
        events=parts.events,
        code=parts.code,
        settings=parts.settings,
        lost_at_poll=LostAtPoll(
            grace_seconds=parts.settings.lost_run_grace_seconds, monotonic=parts.ports.clock.monotonic
        ),
        shard_count=parts.shard_count,
        stopping=parts.ports.stopping,
        chance=random.random,
    )


def _report(parts: _Parts) -> ReportRun:
    return ReportRun(
        database=parts.ports.database,
        updates=parts.updates,
        revoked=parts.revoked,
        bus=parts.ports.bus,
        cache=parts.ports.cache,
        heard=parts.heard,
        presence=parts.presence,
        judge=JudgeFailures(
            database=parts.ports.database,
            standing=parts.standing,
            most_failures=parts.settings.bot_failures,
            quarantine_secs=parts.settings.bot_failures_quarantine_secs,
        ),
    )


def _usecases(parts: _Parts) -> Usecases:
    ports, poll, report = parts.ports, _poll(parts), _report(parts)
    return Usecases(
        clock=ports.clock,
        code=parts.code,
        connect=Connect(parts.handshakes, ports.bus, parts.offers),
        join=Join(
            database=ports.database,
            code_now=parts.code,
            public_url=parts.settings.public_url,
            token_required=parts.settings.enrolment_token_required,
        ),
        next_run=NextRun(report=report, poll=poll),
        poll=poll,
        record_event=RecordEvent(ports.database, parts.events, parts.offers, parts.presence),
        refuse_inputs=RefuseInputs(report),
        report=report,
        tell_account=TellAccount(database=ports.database),
    )


def _serving(parts: _Parts) -> ASGIApp:
    ports = parts.ports
    checks = {
        "bus": expect(lambda: ports.bus.connected, "RabbitMQ does not answer"),
        "database": parts.health.trouble,
        "not_stopping": expect(lambda: not ports.stopping.is_set(), "this process is stopping"),
    }
    serving = below(app, BOT_ROUTES, {"usecases": _usecases(parts), "settings": parts.settings, "checks": checks})
    budgets = CallBudgets(
        calls_per_second=parts.settings.bot_calls_per_second,
        burst=parts.settings.bot_calls_burst,
        monotonic=ports.clock.monotonic,
    )
    return with_slow_down(serving, budgets)


@asynccontextmanager
async def _finished(parts: _Parts) -> AsyncIterator[None]:
    """At the end decide what was accepted, and tell and write what was gathered. One that fails stops none of the
    others."""
    async with AsyncExitStack() as ends:  # what is named last is done first
        ends.push_async_callback(parts.health.close)
        ends.push_async_callback(parts.presence.write)
        ends.push_async_callback(parts.heard.tell)
        for accepted in (parts.events, parts.updates, parts.revoked, parts.known_bots, parts.handshakes):
            ends.push_async_callback(accepted.close)
        yield


@asynccontextmanager
async def _listening(parts: _Parts, background: Background) -> AsyncIterator[None]:
    """Read hints for this gateway and for all, and after a lost connection tell every shard what is held."""
    ports, offers = parts.ports, parts.offers
    roll_call = RollCall(offers, ports.bus.send, ports.clock.monotonic)

    def on_setting(hint: BotSettingChanged) -> None:
        offers.hear_news(hint.bot_id)
        background.start(parts.standing.look(hint.bot_id, ports.clock.now()), "look_at_bot")

    def on_commands(_: BotCommandsGiven) -> None:
        background.start(_look_for_commands(parts), "obey_commands")

    def on_files(_: BotFilesChanged) -> None:
        background.start(parts.code.refresh(), "refresh_bot_code")

    mailbox = await ports.bus.open_mailbox(hint_reader(offers, roll_call, on_setting, on_commands, on_files))
    await mailbox.listen(addresses.gateway(offers.gateway_id))
    await mailbox.listen(addresses.ALL_GATEWAYS)

    def tell_all() -> None:
        for shard in range(parts.shard_count):
            roll_call.tell(shard)

    ports.bus.on_reconnect(tell_all)
    try:
        yield
    finally:
        await mailbox.close()


async def _look_for_commands(parts: _Parts) -> None:
    await parts.commands.look(parts.ports.clock.now())


async def _look_for_missing(parts: _Parts) -> None:
    await parts.missing.look(parts.ports.clock.now())


async def _close_when_stopping(parts: _Parts) -> None:
    await parts.ports.stopping.wait()
    parts.offers.close_all(Closed.STOPPING)
