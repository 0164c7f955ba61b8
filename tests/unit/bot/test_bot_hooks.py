"""Hooks: what people may change about their bots, and what happens when they get it wrong."""

from __future__ import annotations

import pytest

from swarming_bot.hooks import OWN, SERVERS, TASK_HOOK_PAUSE_SECONDS, Hooks, load_hooks
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, Heard, ScriptedServer

SLEEP = {"cmd": "sleep", "duration": 0}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hooks(reported, clock) -> Hooks:
    return Hooks(reported.append, clock)


def quarantined(heard: Heard) -> str | None:
    reason: str | None = heard.body["state"].get("quarantined")
    return reason


def poll(server: ScriptedServer, number: int) -> Heard:
    """The poll of that number, after sleeps that let the bot get there."""
    server.command(*[SLEEP] * (number - 1))
    return server.wait_for_call("poll", number)


def test_a_hook_is_given_as_many_arguments_as_it_takes():
    hooks = load_hooks(
        "def on_after_task(bot, failure): return (bot, failure)\n"
        "def on_bot_idle(*all): return all\n"
        "def on_bot_startup(): return 'none'\n"
        "def on_before_poll(bot, more=7): return (bot, more)\n",
        "bot_config.py",
    )

    assert hooks["on_after_task"]("bot", True, False, {}, {}) == ("bot", True)
    assert hooks["on_bot_idle"]("bot", 3) == ("bot", 3)
    assert hooks["on_bot_startup"]("bot") == "none"
    assert hooks["on_before_poll"]("bot") == ("bot", 7)


def test_the_servers_answer_wins_and_what_is_told_is_told_to_both(hooks):
    heard: list[str] = []
    hooks.load(OWN, "def get_state(bot): return 'own'\ndef on_handshake(bot): bot.append('own')", "own.py")
    hooks.load(SERVERS, "def get_state(bot): return 'server'\ndef on_handshake(bot): bot.append('server')", "server.py")

    answer = hooks.ask("get_state", str, heard)
    hooks.tell("on_handshake", heard)

    assert answer == "server"
    assert heard == ["own", "server"]


def test_a_failing_hook_is_reported_once_and_is_a_problem_until_it_works(hooks, reported):
    hooks.load(OWN, "def on_before_poll(bot):\n    if bot: raise KeyError('wrench')\n", "bot_config.py")

    hooks.tell("on_before_poll", True)
    hooks.tell("on_before_poll", True)
    problem = hooks.problem
    hooks.tell("on_before_poll", False)

    assert len(reported) == 1
    assert problem is not None
    assert "KeyError: 'wrench'" in problem
    assert 'File "bot_config.py", line 2' in problem
    assert "raise KeyError('wrench')" in problem  # the line itself
    assert "swarming_bot/hooks.py" not in problem
    assert hooks.problem is None


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "asyncio.CancelledError", "GeneratorExit"])
def test_a_hook_that_would_end_the_program_only_fails(hooks, error):
    hooks.load(OWN, f"import asyncio\ndef on_bot_startup(bot): raise {error}(3)", "bot_config.py")

    hooks.tell("on_bot_startup", None)

    assert error.rpartition(".")[2] in (hooks.problem or "")


def test_a_bot_lives_on_whatever_its_hooks_raise(server, start_bots):
    start_bots(hooks="import asyncio\ndef on_before_poll(bot): raise asyncio.CancelledError\n")

    heard = poll(server, 2)

    assert "CancelledError" in (quarantined(heard) or "")


@pytest.mark.parametrize(
    "source",
    ["def get_state(bot)\n", "import no_such_module_anywhere\n", "raise SystemExit(1)\n", "raise KeyboardInterrupt\n"],
)
def test_a_source_that_cannot_be_loaded_is_a_problem_until_another_comes(hooks, reported, source):
    hooks.load(OWN, source, "bot_config.py")
    problem = hooks.problem

    hooks.load(OWN, "def get_state(bot): return {}", "bot_config.py")

    assert problem is not None
    assert problem.startswith("The bot's own bot_config cannot be loaded")
    assert len(reported) == 1
    assert hooks.problem is None


def test_a_starting_hook_that_failed_is_tried_again_after_a_while(hooks, clock):
    hooks.load(OWN, "def setup_bot(bot):\n    if bot: raise OSError('no disk')\n", "bot_config.py")
    hooks.tell("setup_bot", True)

    clock.now += 10
    hooks.retry(False)
    early = hooks.problem
    clock.now += 60
    hooks.retry(False)

    assert early is not None
    assert hooks.problem is None


def test_a_task_hook_that_failed_is_trusted_with_a_task_after_a_while_and_longer_the_second_time(hooks, clock):
    hooks.load(OWN, "def on_after_task(bot): raise OSError('no disk')\n", "bot_config.py")
    problems = []

    for _ in range(2):
        hooks.tell("on_after_task", None)
        for _ in range(2):
            hooks.retry(None)
            problems.append(hooks.problem is not None)
            clock.now += TASK_HOOK_PAUSE_SECONDS
        hooks.retry(None)
        problems.append(hooks.problem is not None)

    assert problems == [True, False, False, True, True, False]


def test_hooks_shape_dimensions_and_state(server, start_bots):
    start_bots(
        hooks="def get_dimensions(bot):\n"
        "    return {'cores': ['99'], 'rack': ['r7'], 'gpu': [], 'id': ['mine'], 'seen': [str(len(bot.dimensions))]}\n"
        "def get_state(bot):\n"
        "    return {'colour': 'blue', 'had': sorted(bot.state)[:1]}\n"
    )
    body = server.wait_for_call("poll").body

    assert body["dimensions"]["cores"] == ["99"]
    assert body["dimensions"]["rack"] == ["r7"]
    assert "gpu" not in body["dimensions"]
    assert body["dimensions"]["id"] == ["bot1"]
    assert body["dimensions"]["pool"] == ["default"]
    assert body["state"]["colour"] == "blue"
    assert body["state"]["had"] == ["audio"]


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("['a']", "expected a dict"),
        ("{'a': 'text'}", "dimension 'a'"),
        ("{'a': [1]}", "expected strings"),
        ("{'1a': ['x']}", "no digit first"),
        ("{'a': [' x']}", "no space around it"),
    ],
)
def test_dimensions_that_are_none_quarantine_the_bot(server, start_bots, returned, complaint):
    start_bots(hooks=f"def get_dimensions(bot): return {returned}\n")

    heard = server.wait_for_call("poll")

    assert complaint in (quarantined(heard) or "")
    assert heard.body["dimensions"]["pool"] == ["default"]


def test_a_hook_that_raises_quarantines_the_bot_until_it_works_again(server, start_bots, tmp_path):
    switch = tmp_path / "broken"
    switch.touch()
    start_bots(
        hooks=f"import os\ndef get_state(bot):\n    if os.path.exists({str(switch)!r}): raise ValueError('odd')\n"
    )

    first = poll(server, 2)
    errors = server.calls("event")
    switch.unlink()
    server.command(SLEEP)
    second = server.wait_for_call("poll", 3)

    assert "ValueError: odd" in (quarantined(first) or "")
    assert quarantined(second) is None
    assert [heard.body["event"] for heard in errors] == ["bot_error"]
    assert "ValueError: odd" in errors[0].body["message"]


def test_a_bot_without_usable_hooks_polls_in_quarantine(server, start_bots):
    start_bots(hooks="def broken(:\n")

    heard = server.wait_for_call("poll")

    assert "SyntaxError" in (quarantined(heard) or "")
    assert server.wait_for_call("event").body["event"] == "bot_error"


def test_the_hooks_of_a_handshake_count(server, start_bots):
    server.handshake = {
        "session": "sess-1",
        "bot_config_name": "site.py",
        "bot_config": "def get_dimensions(bot): return {'from': ['server']}\n"
        "def on_handshake(bot): bot.post_event('bot_log', 'shaken by ' + bot.server_version)\n",
        "server_version": "v9",
    }

    start_bots(hooks="def get_dimensions(bot): return {'from': ['own']}\n")
    heard = server.wait_for_call("poll")

    assert server.wait_for_call("handshake").body["dimensions"]["from"] == ["own"]
    assert heard.body["dimensions"]["from"] == ["server"]
    event = server.wait_for_call("event").body
    assert (event["event"], event["message"]) == ("bot_log", "shaken by v9")


def test_a_bots_moments_are_told_in_order(server, start_bots, tmp_path):
    diary = tmp_path / "diary"
    source = f"def note(*words):\n    with open({str(diary)!r}, 'a') as file: print(*words, file=file)\n"
    for hook, arguments in (
        ("setup_bot", ""), ("on_bot_startup", ""), ("on_handshake", ""), ("on_before_poll", ""),
        ("on_after_poll", ", cmd"), ("on_before_task", ", bot_file, runner_cmd, runner_env"),
        ("on_after_task", ", failure, internal_failure, dimensions, summary"), ("on_bot_idle", ", since"),
        ("on_bot_shutdown", ""),
    ):  # fmt: skip
        values = ", summary['exit_code'], failure, internal_failure" if hook == "on_after_task" else ""
        values = ", cmd" if hook == "on_after_poll" else values
        source += f"def {hook}(bot{arguments}): note('{hook}'{values})\n"
    server.command(SLEEP)
    server.run("sh", "-c", "exit 4")
    server.command({"cmd": "terminate", "task_id": "7c22376fb00cb611"})

    fleet = start_bots(hooks=source)
    assert fleet.join(PATIENCE_SECONDS)

    assert diary.read_text().splitlines() == [
        "setup_bot", "on_bot_startup", "on_handshake",
        "on_before_poll", "on_after_poll sleep", "on_bot_idle",
        "on_before_poll", "on_after_poll run", "on_before_task", "on_after_task 4 True False",
        "on_before_poll", "on_after_poll terminate", "on_bot_shutdown",
    ]  # fmt: skip


def test_a_hook_changes_a_tasks_environment_and_the_task_has_the_last_word(server, start_bots):
    # As hooks for upstream's bot do, it also gives arguments to a task runner, which this bot has not.
    hooks = (
        "def on_before_task(bot, bot_file, runner_cmd, runner_env):\n"
        "    runner_env.update(A='hook', B='hook', RUN=bot.run_id)\n"
        "    del runner_env['GONE']\n"
        "    runner_cmd.extend(['--cipd-enabled', 'false'])\n"
    )
    server.run("sh", "-c", "echo $A $B $RUN ${GONE-gone}", env={"B": "task"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GONE", "here")
        start_bots(hooks=hooks)
        server.wait_for_final()

    assert server.output() == b"hook task 7c2236638dbfed11 gone\n"


def test_a_task_runs_although_its_hook_raises_and_the_bot_is_quarantined_after_it(server, start_bots):
    server.run("echo", "done")

    start_bots(hooks="def on_before_task(bot): raise RuntimeError('no licence')\n")
    final = server.wait_for_final()
    heard = server.wait_for_call("poll", 2)

    assert final.body["exit_code"] == 0
    assert server.output() == b"done\n"
    assert "RuntimeError: no licence" in (quarantined(heard) or "")


def test_a_hook_of_2015_takes_fewer_arguments(server, start_bots):
    server.run("true")

    start_bots(hooks="def on_after_task(bot, failure, internal_failure): bot.post_event('bot_log', str(failure))\n")
    event = server.wait_for_call("event")

    assert event.body["message"] == "False"


def test_settings_of_a_hook_count_at_once(server, start_bots):
    start_bots(hooks="def get_settings(bot): return {'cost_usd_hour': 3600, 'free_partition': {}}\n")
    heard = server.wait_for_call("poll")
    server.run("sleep", "0.05")
    final = server.wait_for_final()

    assert heard.body["state"]["cost_usd_hour"] == 3600
    assert final.body["cost_usd"] > 0.04


def test_a_setting_that_is_no_number_quarantines(server, start_bots):
    start_bots(hooks="def get_settings(bot): return {'lowest_free_disk_mb': 'much'}\n")

    assert "lowest_free_disk_mb 'much'" in (quarantined(server.wait_for_call("poll")) or "")


def test_authentication_headers_are_sent_with_each_call_and_asked_for_again_when_they_run_out(server, start_bots):
    hooks = (
        "import itertools, time\ncount = itertools.count(1)\n"
        "def get_authentication_headers(bot):\n"
        "    return {'Authorization': 'Bearer %d' % next(count)}, time.time() + 3600\n"
    )
    start_bots(hooks=hooks)
    heard = poll(server, 2)
    server.command((403, {"error": "who are you"}))
    renewed = server.wait_for_call("poll", 3)

    assert server.wait_for_call("handshake").headers["Authorization"] == "Bearer 1"
    assert heard.headers["Authorization"] == "Bearer 1"
    assert renewed.headers["Authorization"] == "Bearer 2"


@pytest.mark.parametrize(
    "returned", ["'Bearer x'", "({'A': 'b\\r\\nC: d'}, None)", "({'A': 'b'}, 'soon')", "({1: 'b'}, 2)"]
)
def test_headers_that_are_none_quarantine(server, start_bots, returned):
    start_bots(hooks=f"def get_authentication_headers(bot): return {returned}\n")

    heard = poll(server, 2)

    assert "get_authentication_headers raised" in (quarantined(heard) or "")


def test_a_hook_that_asks_for_a_restart_at_each_start_has_it_slower_and_slower(server, start_bots, monkeypatch):
    failures: list[int] = []

    def delay(number: int) -> float:
        failures.append(number)
        return 0.01

    monkeypatch.setattr("swarming_bot.life.poll_delay", delay)

    start_bots(hooks="def on_bot_startup(bot): bot.bot_restart('again')\n")
    server.wait_for_call("handshake", 5)

    assert failures[:4] == [1, 2, 3, 4]


def test_headers_are_asked_for_again_also_while_another_hook_works(server, start_bots, monkeypatch, tmp_path):
    monkeypatch.setattr("swarming_bot.heartbeats.PAUSE_SECONDS", 0.02)
    monkeypatch.setattr("swarming_bot.authentication.FAILED_PAUSE_SECONDS", 0.01)
    hooks = (
        "import itertools, time, threading\ncount, renewed = itertools.count(1), threading.Event()\n"
        "def get_authentication_headers(bot):\n"
        "    if bot.run_id is not None and threading.current_thread().name != 'bot1': renewed.set()\n"
        "    return {'Authorization': 'Bearer %d' % next(count)}, time.time()\n"
        "def on_before_task(bot): assert renewed.wait(8)\n"
    )
    server.run("true")

    start_bots(hooks=hooks)
    server.wait_for_final()

    assert server.calls("event") == []


def test_a_hook_may_have_the_bot_start_over(server, start_bots, tmp_path):
    asked = tmp_path / "asked"
    hooks = (
        f"import os\nasked = {str(asked)!r}\n"
        "def on_bot_idle(bot):\n"
        "    if not os.path.exists(asked):\n"
        "        open(asked, 'w').close()\n"
        "        bot.bot_restart('a fresh start')\n"
    )
    server.command(SLEEP)

    start_bots(hooks=hooks)
    second = server.wait_for_call("handshake", 2)
    server.wait_for_call("poll", 2)

    assert second.body["session_id"] != server.calls("handshake")[0].body["session_id"]
    assert [heard.body["event"] for heard in server.calls("event")] == ["bot_log"]
