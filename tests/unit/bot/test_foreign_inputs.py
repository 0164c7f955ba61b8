"""Inputs that the bot has no client for."""

from __future__ import annotations


def test_a_task_with_inputs_that_the_bot_cannot_fetch_is_told_to_be_at_fault(server, start_bots):
    cas = {"cas_instance": "projects/p/instances/i", "digest": {"hash": "ab12", "size_bytes": 7}}
    packages = [{"package_name": "infra/python", "path": "py", "version": "version:3"}]
    server.run("true", cas_input_root=cas, cipd_input={"server": "s", "client_package": None, "packages": packages})
    server.run("echo", "next")

    start_bots()
    error = server.wait_for_call("task_error")
    server.wait_for_final()

    assert error.body["client_error"] == {
        "missing_cas": [{"digest": "ab12/7", "instance": "projects/p/instances/i"}],
        "missing_cipd": packages,
    }
    assert "this bot has no CAS or CIPD client" in error.body["message"]
    assert "exit_code" not in server.updates()[0].body
    assert server.updates()[0].output == f"swarming_bot: {error.body['message']}\n".encode()
    assert server.updates()[-1].output == b"next\n"


def test_inputs_that_are_none_hinder_nothing(server, start_bots):
    server.run("echo", "here", cas_input_root=None, cipd_input={"server": "s", "client_package": None, "packages": []})

    start_bots()
    server.wait_for_final()

    assert server.output() == b"here\n"
