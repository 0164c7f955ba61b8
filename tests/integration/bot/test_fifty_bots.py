"""Many bots in one process."""

from __future__ import annotations

from tests.unit.bot.bots import bots_that_stop
from tests.unit.bot.scripted_server import Heard


def test_fifty_bots_of_one_process_work_side_by_side(server, tmp_path):
    def answer(heard: Heard):
        if heard.call == "poll" and heard.body["dimensions"]["id"] not in served:
            served.append(heard.body["dimensions"]["id"])
            run_id = f"7c22366380000{len(served):02d}1"
            manifest = {"command": ["sh", "-c", "echo $SWARMING_BOT_ID"], "task_id": run_id}
            return {"cmd": "run", "manifest": {**manifest, "io_timeout": None, "grace_period": 30}}
        return None

    served: list[list[str]] = []
    server.answer = answer

    with bots_that_stop(server, tmp_path) as start_bots:
        start_bots(50)
        server.wait_for(lambda heard: heard.is_final, 50)

    finals = [heard for heard in server.updates() if heard.is_final]
    expected = {f"bot1-{number}" for number in range(1, 51)}
    assert {heard.output.decode().strip() for heard in finals} == expected
    assert {heard.body["id"] for heard in finals} == expected
