"""Answers that something on the way gives in the server's place: a login page, a proxy that refuses, a redirect."""

from __future__ import annotations

import pytest

from swarming_bot.calls import Calls
from swarming_bot.connection import Connection, Response
from swarming_bot.errors import Refused, ServerAway
from swarming_bot.stop import Stop
from tests.unit.bot.scripted_server import Heard

PAGE = "<html>Please log in</html>"
FOREIGN = [
    (200, PAGE),
    (200, {}),
    (200, {"status": "logged out"}),
    (200, ["not", "an", "object"]),
    (302, ""),
    (400, PAGE),
    (401, {"message": "no token"}),
    (403, PAGE),
    (404, {"message": "no route"}),
    (405, ""),
    (407, PAGE),
    (413, PAGE),
    (418, {"error": {"code": 418}}),
]


@pytest.mark.parametrize(("status", "body"), FOREIGN)
def test_an_update_that_is_answered_by_something_else_is_sent_again_and_the_run_goes_on(
    server, start_bots, status, body
):
    def answer(heard: Heard):
        is_early = len(server.updates()) <= 2
        return (status, body) if heard.call == "task_update" and is_early else None

    server.answer = answer
    server.run("sh", "-c", "echo hello; exit 3")

    start_bots()

    final = server.wait_for_final()
    server.wait_for_call("poll", 2)
    assert final.body["exit_code"] == 3
    assert server.output() == b"hello\n"
    assert server.calls("task_error") == []
    assert len(server.calls("handshake")) == 1


@pytest.mark.parametrize("call", ["handshake", "poll", "task_error"])
def test_every_other_call_is_made_again_too(server, start_bots, call):
    def answer(heard: Heard):
        is_first = len(server.calls(call)) == 1
        return (403, PAGE) if heard.call == call and is_first else None

    server.answer = answer
    server.run("true", cas_input_root={"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 1}})

    start_bots()

    server.wait_for_call("task_error", 2 if call == "task_error" else 1)
    server.wait_for_call("poll", 3 if call == "poll" else 2)
    assert len(server.calls("handshake")) == (2 if call == "handshake" else 1)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error": "cost_usd: expected a number"}', Refused),
        (413, b'{"error": "body: expected at most 9 bytes"}', Refused),
        (400, b"", ServerAway),
        (403, b'{"error": ', ServerAway),
        (403, b'{"error": null}', ServerAway),
        (302, b"", ServerAway),
        (204, b"", ServerAway),
    ],
)
def test_only_a_refusal_in_the_server_s_own_form_is_one(status, body, error):
    class Answers(Connection):
        def __init__(self) -> None:
            super().__init__("http://server", {})

        def post(self, *_, **__) -> Response:
            return Response(status, {"content-type": "application/json"}, body)

    with pytest.raises(error):
        Calls(Answers(), Stop()).once("/path", {})
