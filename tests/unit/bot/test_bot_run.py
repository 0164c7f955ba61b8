"""One run from the poll that brings it to its final report."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from tests.unit.bot.scripted_server import DROP, PATIENCE_SECONDS, RUN_ID, Heard, ScriptedServer


def stop_once_it_spoke(heard: Heard):
    return {"ok": True, "must_stop": True} if heard.output else None


def test_a_run_is_confirmed_then_started_and_reported_with_its_output(server, start_bots):
    server.run("sh", "-c", "echo hello; echo oops >&2; exit 3")

    start_bots()
    final = server.wait_for_final()

    first = server.updates()[0]
    assert set(first.body) == {"cost_usd", "id", "session", "task_id"}
    assert first.body["task_id"] == RUN_ID
    assert first.body["session"] == "sess-1"
    assert server.output() == b"hello\noops\n"
    assert final.body["exit_code"] == 3
    assert final.body["duration"] > 0
    assert final.body["bot_overhead"] >= 0
    assert final.body["hard_timeout"] is False
    assert final.body["io_timeout"] is False


def test_a_bot_polls_and_reports_over_one_connection(server, start_bots):
    server.run("true")

    start_bots()
    server.wait_for_final()
    server.wait_for_call("poll", 2)

    assert len({heard.connection for heard in server.heard}) == 1


def test_the_process_does_not_start_before_the_run_is_confirmed(server, start_bots, tmp_path):
    witness = tmp_path / "started"
    states = []

    def answer(heard: Heard):
        if heard.call == "task_update":
            time.sleep(0.05)
            states.append(witness.exists())

    server.answer = answer
    server.run("touch", str(witness))

    start_bots()
    server.wait_for_call("poll", 2)

    assert states == [False, True]


def test_a_run_that_must_stop_before_it_starts_is_canceled(server, start_bots, tmp_path):
    witness = tmp_path / "started"
    server.answer = lambda heard: {"ok": True, "must_stop": True} if heard.call == "task_update" else None
    server.run("touch", str(witness))

    start_bots()
    server.wait_for_call("poll", 2)

    first, second = server.updates()
    assert "canceled" not in first.body
    assert second.body["canceled"] is True
    assert "exit_code" not in second.body
    assert not witness.exists()


def test_a_running_task_that_must_stop_is_terminated_and_reports_its_real_exit_code(server, start_bots):
    server.answer = stop_once_it_spoke
    server.run("sh", "-c", "echo started; exec sleep 60")

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == -15
    assert final.body["hard_timeout"] is False


def test_a_task_that_ignores_the_polite_signal_is_killed_after_its_grace(server, start_bots):
    server.answer = stop_once_it_spoke
    server.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done", grace_period=0.2)

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == -9
    assert final.body["duration"] > 0.2


def test_a_task_over_its_hard_timeout_is_terminated(server, start_bots):
    server.run("sleep", "60", hard_timeout=0.2)

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == -15
    assert final.body["hard_timeout"] is True
    assert final.body["io_timeout"] is False


def test_a_task_that_falls_silent_is_terminated(server, start_bots):
    # Each line long before the limit, which would be over before the last if they did not start it anew.
    server.run("sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.25; done; exec sleep 60", io_timeout=1.2)

    start_bots()
    final = server.wait_for_final()

    assert server.output() == b"1\n2\n3\n4\n5\n6\n"
    assert final.body["exit_code"] == -15
    assert final.body["io_timeout"] is True
    assert final.body["hard_timeout"] is False
    assert final.body["duration"] > 2.4


def test_much_output_arrives_in_chunks_that_join_up(server, start_bots):
    server.run(sys.executable, "-c", "import os\nfor i in range(1200): os.write(1, b'%09d\\n' % i * 100)")

    start_bots()
    server.wait_for_final()

    chunks = [heard for heard in server.updates() if "output" in heard.body]
    assert len(chunks) >= 5
    assert all(len(heard.output) <= 250_000 for heard in chunks)
    end = 0
    for heard in chunks:
        assert heard.body["output_chunk_start"] == end
        end += len(heard.output)
    assert server.output() == b"".join(b"%09d\n" % i * 100 for i in range(1200))


def test_output_that_waits_for_a_slow_server_neither_blocks_the_process_nor_is_lost(server, start_bots, tmp_path):
    witness = tmp_path / "written"

    def answer(heard: Heard):
        if "output" in heard.body and not witness.exists():
            return 503, {"error": "not now"}
        return None

    server.answer = answer
    server.run(
        sys.executable, "-c", "import os, sys\nsys.stdout.buffer.write(b'x' * 6_000_000)\nsys.stdout.flush()\n"
        f"open({str(witness)!r}, 'w')",
    )  # fmt: skip

    start_bots()
    server.wait_for_final()

    assert server.output() == b"x" * 6_000_000


def test_output_is_seen_live(server, start_bots):
    server.run("sh", "-c", "echo live; exec sleep 60")

    start_bots()
    heard = server.wait_for(lambda heard: heard.output != b"")

    assert heard.output == b"live\n"
    assert not heard.is_final


def test_a_lost_answer_is_asked_for_again_with_the_same_offset(server, start_bots):
    dropped: list[Heard] = []

    def answer(heard: Heard):
        if heard.is_final and not dropped:
            dropped.append(heard)
            return DROP
        return None

    server.answer = answer
    server.run("echo", "once")

    start_bots()
    server.wait_for(lambda heard: heard.is_final, 2)

    first, second = (heard for heard in server.updates() if heard.is_final)
    assert first.body == second.body
    assert second.body["output_chunk_start"] == 0


def test_a_server_error_is_retried_with_the_same_report(server, start_bots):
    answers = [(503, {"error": "away"}), (500, {"error": "unwell"})]
    server.answer = lambda heard: answers.pop(0) if heard.is_final and answers else None
    server.run("echo", "once")

    start_bots()
    server.wait_for(lambda heard: heard.is_final, 3)

    finals = [heard for heard in server.updates() if heard.is_final]
    assert finals[0].body == finals[1].body == finals[2].body


def test_a_command_that_is_not_found_ends_with_exit_code_1_and_an_explanation(server, start_bots):
    server.run("no-such-command-anywhere", "x")

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 1
    assert b"'no-such-command-anywhere'" in server.output()
    assert b"No such file" in server.output()


def test_a_run_without_a_command_ends_with_exit_code_1(server, start_bots):
    server.run()

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 1
    assert b"no command" in server.output()


def test_a_background_child_that_holds_the_output_delays_nothing_and_is_killed(server, start_bots):
    server.run("sh", "-c", "sleep 61 & echo $!")

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 0
    assert ends(int(server.output()))


def test_nothing_of_a_run_is_left_in_the_work_folder(server, start_bots, tmp_path):
    server.run("sh", "-c", "mkdir -p a/b; touch a/b/c $TMPDIR/d; chmod 0 a/b; pwd")

    start_bots()
    server.wait_for_final()
    server.wait_for_call("poll", 2)

    assert not os.path.exists(server.output().decode().strip())
    left = [path.name for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert left == ["lock"]


def test_the_process_finds_the_environment_that_the_protocol_promises(server, start_bots, monkeypatch):
    monkeypatch.setenv("UNWANTED", "here")
    script = (
        "import json, os; e = os.environ; print(json.dumps([dict(e), os.getcwd(), json.load(open(e['LUCI_CONTEXT']))]))"
    )
    server.run(
        sys.executable,
        "-c",
        script,
        env={"FOO": "bar", "UNWANTED": "", "SEARCH": "/usr/x"},
        env_prefixes={"SEARCH": ["a", "b/c"]},
        relative_cwd="deep/down",
        secret_bytes="c2VjcmV0",
        realm={"name": "proj:realm"},
    )

    start_bots()
    server.wait_for_final()

    env, cwd, context = json.loads(server.output())
    task_folder = cwd[: -len("/deep/down")]
    assert cwd.endswith("/task/deep/down")
    assert env["FOO"] == "bar"
    assert "UNWANTED" not in env
    assert env["SEARCH"] == f"{task_folder}/a:{task_folder}/b/c:/usr/x"
    assert env["SWARMING_TASK_ID"] == RUN_ID
    assert env["SWARMING_SERVER"] == server.url
    assert env["SWARMING_BOT_ID"] == "bot1"
    assert env["SWARMING_HEADLESS"] == "1"
    assert env["TMPDIR"] == os.path.join(os.path.dirname(task_folder), "tmp")
    assert context["swarming"]["task"]["task_id"] == RUN_ID[:-1] + "0"
    assert context["swarming"]["secret_bytes"] == "c2VjcmV0"
    assert context["realm"] == {"name": "proj:realm"}
    assert context["deadline"]["grace_period"] == 30


def test_the_output_folder_token_names_a_folder(server, start_bots):
    server.run("sh", "-c", 'test -d "$1" && echo yes', "sh", "${ISOLATED_OUTDIR}")

    start_bots()
    server.wait_for_final()

    assert server.output() == b"yes\n"


def test_a_manifest_that_makes_no_sense_is_an_internal_failure_and_the_bot_goes_on(server, start_bots):
    server.run("true", hard_timeout="soon")
    server.run("echo", "next")

    start_bots()
    error = server.wait_for_call("task_error")
    server.wait_for_final()

    assert "hard_timeout" in error.body["message"]
    assert error.body["client_error"] == {"missing_cas": [], "missing_cipd": []}
    assert set(server.updates()[0].body) == {"cost_usd", "id", "session", "task_id"}
    assert server.output() == b"next\n"


def test_a_refused_update_ends_the_process_and_is_an_internal_failure(server, start_bots):
    server.answer = lambda heard: (400, {"error": "odd"}) if heard.output else None
    server.run("sh", "-c", "echo $$; exec sleep 62")
    server.run("true")

    start_bots()
    refused = server.wait_for(lambda heard: heard.output != b"")
    error = server.wait_for_call("task_error")
    server.wait_for_final()

    assert "HTTP 400" in error.body["message"]
    assert ends(int(refused.output))


def ends(pid: int) -> bool:
    """Whether a process is gone, now or soon: one that was killed still has to be scheduled once to die."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie (in a container nobody may reap orphans)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter if it goes between opening and reading
        return False


def test_a_bot_runs_the_next_task_after_each(server: ScriptedServer, start_bots):
    for number in range(5):
        server.run("echo", str(number), task_id=f"7c223663800000{number}1")

    start_bots()
    server.wait_for(lambda heard: heard.is_final, 5)

    assert [heard.output for heard in server.updates() if heard.is_final] == [
        b"0\n", b"1\n", b"2\n", b"3\n", b"4\n",
    ]  # fmt: skip


def test_a_report_is_delivered_when_the_server_is_back(server: ScriptedServer, start_bots):
    back = threading.Event()
    server.answer = lambda heard: DROP if len(server.updates()) > 1 and not back.is_set() else None
    server.run("sh", "-c", "echo before; sleep 0.1; echo after")

    start_bots()
    server.wait_for_call("task_update", 3)
    back.set()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 0
    assert server.output() == b"before\nafter\n"
