"""A bot that starts over, reboots its machine, or leaves its id to another process."""

from __future__ import annotations

import pytest

from swarming_bot.periodic_restart import restart_after
from swarming_bot.retry_delay import superseded_delay
from swarming_bot.tuning import Tuning

SUPERSEDED = (400, {"error": "session: expected the newest of this bot; another process has its id"})


def test_restarts_are_spread_by_a_fifth_and_the_same_each_time_they_are_asked():
    times = [restart_after(1000, f"bot{number}", 1700000000.5) for number in range(200)]

    assert 800 <= min(times) < 830
    assert 1170 < max(times) <= 1200
    assert restart_after(1000, "bot1", 1.5) == restart_after(1000, "bot1", 1.5)
    assert restart_after(1000, "bot1", 1.5) != restart_after(1000, "bot1", 2.5)


def test_a_bot_starts_over_when_its_time_has_come(server, start_bots):
    server.command({"cmd": "sleep", "duration": 0.05})

    start_bots(tuning=Tuning(restart_period_secs=0.02, lowest_free_disk_mb=0), hooks="def on_bot_shutdown(bot): pass\n")
    first, second = server.wait_for_call("handshake"), server.wait_for_call("handshake", 2)
    event = server.wait_for_call("event").body

    assert first.body["session_id"] != second.body["session_id"]
    assert event["event"] == "bot_log"
    assert event["message"].startswith("Restarting: It has run for")


def test_hooks_are_read_anew_at_a_restart(server, start_bots, tmp_path):
    start_bots(hooks="def get_dimensions(bot): return {'mark': ['old']}\n")
    server.wait_for_call("poll")
    (tmp_path / "bot_config.py").write_text("def get_dimensions(bot): return {'mark': ['new']}\n")
    server.command({"cmd": "bot_restart", "message": "new hooks"})

    assert server.wait_for_call("handshake", 2).body["dimensions"]["mark"] == ["new"]


def test_a_machine_is_rebooted_with_the_given_command_and_told_before(server, start_bots, tmp_path, monkeypatch):
    monkeypatch.setattr("swarming_bot.life.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr("swarming_bot.life.UNSUPPORTED_PAUSE_SECONDS", 0.05)
    server.command({"cmd": "host_reboot", "message": "kernel"})

    start_bots(reboot_command=("touch", str(tmp_path / "rebooted")))
    told = server.wait_for_call("event").body
    failed = server.wait_for_call("event", 2).body

    assert (tmp_path / "rebooted").exists()
    assert (told["event"], told["message"]) == ("bot_rebooting", "kernel")
    assert failed["event"] == "bot_error"
    assert "still runs" in failed["message"]


def test_a_reboot_that_fails_is_an_error_and_one_that_is_not_allowed_does_nothing(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.life.UNSUPPORTED_PAUSE_SECONDS", 0.05)
    server.command({"cmd": "restart", "message": "kernel"})

    start_bots(reboot_command=("sh", "-c", "echo no right to; exit 4"))
    failed = server.wait_for_call("event", 2).body

    assert "exit code 4: no right to" in failed["message"]


def test_a_reboot_that_is_not_allowed_does_nothing(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.life.UNSUPPORTED_PAUSE_SECONDS", 0.05)
    server.command({"cmd": "host_reboot", "message": "kernel"})

    start_bots(hooks="def setup_bot(bot): return True\n")
    server.wait_for_call("poll", 2)

    assert server.calls("event") == []


def test_a_process_whose_id_another_has_taken_stays_away_from_the_session(server, start_bots, monkeypatch, caplog):
    monkeypatch.setattr("swarming_bot.retry_delay.FIRST_SUPERSEDED_DELAY_SECONDS", 0.02)
    server.command(SUPERSEDED, SUPERSEDED, {"cmd": "bot_restart", "message": "unknown session"})

    with caplog.at_level("ERROR", logger="swarming_bot"):
        start_bots()
        server.wait_for_call("handshake", 2)

    calls = [heard.call for heard in server.heard if heard.call in ("handshake", "poll")]
    assert calls[:5] == ["handshake", "poll", "poll", "poll", "handshake"]
    assert {heard.body["session"] for heard in server.calls("poll")[:3]} == {"sess-1"}
    assert "bot_id_taken bot_id=bot1" in caplog.text
    assert "another process has its id" in caplog.text


@pytest.mark.parametrize(("refusals", "least", "most"), [(1, 12, 18), (2, 24, 36), (50, 240, 360)])
def test_the_longer_an_id_is_taken_the_less_it_is_asked_for(refusals, least, most):
    assert least <= superseded_delay(refusals) <= most
