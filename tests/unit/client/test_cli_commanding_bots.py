"""`swarming terminate` and `swarming bot-…` against a scripted server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.client.scripted_server import TASK, Answer, ScriptedServer, a_result

Swarming = Callable[..., Any]

BY_ME = {"reason": "smoke", "by": "user:me", "since_ts": "2026-11-23T17:08:19", "until_ts": "2026-11-23T18:08:19"}


def a_bot(**more: Any) -> dict[str, Any]:
    return {"bot_id": "b/1", "dimensions": [], "quarantined": "quarantine" in more, **more}


def test_terminate_prints_the_id_of_its_task(server: ScriptedServer, swarming: Swarming):
    server.script("bot/b%2F1/terminate", {"task_id": TASK})

    ended = swarming("terminate", "b/1", "--reason", "moves")

    assert (ended.code, ended.out) == (0, f"{TASK}\n")
    assert server.asked_for("bot/b%2F1/terminate")[0].body == {"reason": "moves"}


@pytest.mark.parametrize(("state", "code"), [("COMPLETED", 0), ("EXPIRED", 1)])
def test_terminate_waits_for_the_end(server: ScriptedServer, swarming: Swarming, state: str, code: int):
    server.script("bot/b/terminate", {"task_id": TASK})
    server.script(f"task/{TASK}/result", a_result(state))

    assert swarming("terminate", "b", "--wait").code == code


def test_a_quarantine_begins(server: ScriptedServer, swarming: Swarming):
    server.script("bot/b%2F1/quarantine", a_bot(quarantine=BY_ME))
    before = datetime.now(UTC).timestamp()

    ended = swarming("bot-quarantine", "b/1", "--reason", "smoke", "--for", "1h")

    assert (ended.code, ended.err) == (
        0,
        "swarming: bot b/1: gets no tasks, by user:me, until 2026-11-23 18:08:19 UTC: smoke\n",
    )
    body = server.asked_for("bot/b%2F1/quarantine")[0].body
    assert body["reason"] == "smoke"
    assert before + 3600 <= body["until_ts"] < before + 3700


def test_a_quarantine_that_the_bot_keeps_up_is_no_success(server: ScriptedServer, swarming: Swarming):
    server.script(
        "bot/b/unquarantine",
        a_bot(quarantine={"reason": "no space", "by": "bot"}),
        a_bot(maintenance_msg="a disk", maintenance=BY_ME),
        a_bot(),
    )

    still = swarming("bot-quarantine", "b", "--end")
    in_maintenance = swarming("bot-quarantine", "b", "--end")
    free = swarming("bot-quarantine", "b", "--end")

    assert (still.code, still.err) == (
        1,
        "swarming: bot b: gets no tasks, by bot, until somebody ends it: no space\n",
    )
    assert in_maintenance.code == 0
    assert in_maintenance.err.startswith("swarming: bot b: still gets no tasks, by ")
    assert (free.code, free.err) == (0, "swarming: bot b: may work\n")


def test_a_maintenance_begins_and_ends(server: ScriptedServer, swarming: Swarming):
    server.script("bot/b/maintenance", a_bot(maintenance_msg="smoke", maintenance=BY_ME))
    server.script("bot/b/end_maintenance", a_bot())

    begun = swarming("bot-maintenance", "b", "--reason", "smoke", "--json")
    ended = swarming("bot-maintenance", "b", "--end")

    assert begun.json["maintenance"] == BY_ME
    assert server.asked_for("bot/b/maintenance")[0].body == {"reason": "smoke"}
    assert (begun.code, ended.code) == (0, 0)


@pytest.mark.parametrize("args", [(), ("--end", "--reason", "x"), ("--end", "--for", "1h"), ("--for", "1h")])
def test_a_restriction_needs_a_reason_or_an_end(server: ScriptedServer, swarming: Swarming, args: tuple[str, ...]):
    ended = swarming("bot-quarantine", "b", *args)

    assert ended.code != 0
    assert "--reason" in ended.err
    assert server.asked == []


def test_bots_are_deleted(server: ScriptedServer, swarming: Swarming):
    server.script("bot/a/delete", {"deleted": True})
    server.script("bot/b/delete", {"deleted": True})
    server.script("bots/delete_dead", {"matched": "2", "now": "2026-11-23T17:08:19"})

    two = swarming("bot-delete", "a", "b")
    dead = swarming("bot-delete", "--dead", "-d", "pool=p")

    assert (two.code, two.err) == (0, "swarming: bot a: deleted\nswarming: bot b: deleted\n")
    assert (dead.code, dead.err) == (0, "swarming: 2 dead bots asked to be forgotten\n")
    assert server.asked_for("bots/delete_dead")[0].body == {"dimensions": ["pool:p"]}


def test_bot_delete_of_dead_ones_with_json_is_the_servers_reply(server: ScriptedServer, swarming: Swarming):
    reply = {"matched": "2", "now": "2026-11-23T17:08:19"}
    server.script("bots/delete_dead", reply)

    assert swarming("bot-delete", "--dead", "--json").json == reply


def test_a_bot_that_cannot_be_deleted_is_named_and_the_others_are_deleted(server: ScriptedServer, swarming: Swarming):
    server.script("bot/a/delete", Answer(404, {"error": {"message": "bot_id: there is no such bot"}}))
    server.script("bot/b/delete", {"deleted": True})

    ended = swarming("bot-delete", "a", "b")

    assert ended.code == 1
    assert ended.err.splitlines() == [
        "swarming: bot a: not deleted: there is no such bot",
        "swarming: bot b: deleted",
    ]


@pytest.mark.parametrize("args", [(), ("a", "--dead"), ("a", "-d", "pool=p")])
def test_bot_delete_needs_ids_or_dead(server: ScriptedServer, swarming: Swarming, args: tuple[str, ...]):
    ended = swarming("bot-delete", *args)

    assert ended.code != 0
    assert server.asked == []


def test_a_bot_is_asked_to_restart(server: ScriptedServer, swarming: Swarming):
    server.script("bot/b/restart", {"ok": True})

    ended = swarming("bot-restart", "b", "--reason", "kernel")

    assert (ended.code, ended.err) == (0, "swarming: bot b: asked to restart\n")
    assert server.asked_for("bot/b/restart")[0].body == {"reason": "kernel"}


def test_the_events_of_a_bot_are_listed(server: ScriptedServer, swarming: Swarming):
    event = {"ts": "2026-11-23T17:08:19", "event_type": "bot_error", "message": "line 1\nline 2", "task_id": TASK}
    server.script("bot/b/events", {"items": [event]})

    ended = swarming("bot-events", "b")

    assert ended.code == 0
    assert "2026-11-23 17:08:19" in ended.out
    assert "bot_error" in ended.out
    assert TASK in ended.out
    assert len(ended.out.splitlines()) == 2
