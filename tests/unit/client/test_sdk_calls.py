"""The SDK's HTTP edge: what it sends, what it makes of answers, and what it tries again."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from swarming_client import (
    NewTask,
    NotAllowed,
    NotFound,
    RequestRefused,
    ServerUnavailable,
    Swarming,
    UnexpectedReply,
    UsageError,
)

TASK = "7c2236638dbfed10"
Answer = httpx.Response | Exception


class Wire:
    """Gives scripted answers (the last one stays) and keeps the requests; its clock moves only in sleeps."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.trouble: list[str] = []
        self.now = 0.0

    def client(self, **options: Any) -> Swarming:
        return Swarming(
            "http://swarm.test",
            http=httpx.Client(transport=httpx.MockTransport(self._answer)),
            on_trouble=self.trouble.append,
            sleep=self._sleep,
            monotonic=lambda: self.now,
            **options,
        )

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _sleep(self, secs: float) -> None:
        self.now += secs


def ok(**fields: Any) -> httpx.Response:
    return httpx.Response(200, json=fields)


def refused(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message}})


def test_a_submission_whose_answer_was_lost_is_repeated_with_the_same_uuid():
    wire = Wire(httpx.ReadError("reset"), httpx.Response(503), ok(task_id=TASK))

    submitted = wire.client().new_task(NewTask(command=["true"]))

    assert submitted.task_id == TASK
    uuids = {body["request_uuid"] for body in wire.bodies()}
    assert len(wire.requests) == 3
    assert len(uuids) == 1


def test_two_submissions_have_different_uuids():
    wire = Wire(ok(task_id=TASK))
    client = wire.client()

    client.new_task({"name": "raw"})
    client.new_task({"name": "raw"})

    assert len({body["request_uuid"] for body in wire.bodies()}) == 2


def test_the_wire_form_of_a_new_task_has_no_unset_fields():
    wire = Wire(ok(task_id=TASK))

    wire.client().new_task(
        NewTask(command=["echo", "hi"], dimensions=[("os", "Linux|Mac")], env={"A": "b"}, request_uuid="u")
    )

    assert str(wire.requests[0].url) == "http://swarm.test/api/swarming/v1/tasks/new"
    assert wire.bodies() == [
        {
            "name": "echo hi",
            "priority": 100,
            "request_uuid": "u",
            "tags": [],
            "task_slices": [
                {
                    "expiration_secs": 21600,
                    "wait_for_capacity": False,
                    "properties": {
                        "command": ["echo", "hi"],
                        "dimensions": [
                            {"key": "os", "value": "Linux|Mac"},
                            {"key": "pool", "value": "default"},
                        ],
                        "env": [{"key": "A", "value": "b"}],
                        "env_prefixes": [],
                        "execution_timeout_secs": 3600,
                        "io_timeout_secs": 0,
                        "idempotent": False,
                    },
                }
            ],
        }
    ]


def test_a_server_that_stays_away_is_given_up_after_the_time_for_retries():
    wire = Wire(httpx.ConnectError("[Errno 111] Connection refused"))

    with pytest.raises(ServerUnavailable, match=r"cannot be reached \(Connection refused\)"):
        wire.client().result(TASK)

    assert 25 <= wire.now <= 30
    assert len(wire.requests) > 5
    assert len(wire.trouble) == 1, "people are told once, not at each try"


def test_no_retry_is_made_when_there_is_no_time_for_it():
    wire = Wire(httpx.Response(500))

    with pytest.raises(ServerUnavailable, match="answers 500"):
        wire.client(retry_secs=0).result(TASK)

    assert len(wire.requests) == 1
    assert wire.trouble == []


def test_a_server_that_says_when_to_come_back_is_obeyed():
    wire = Wire(httpx.Response(429, headers={"Retry-After": "7"}), ok(task_id=TASK, state="PENDING"))

    wire.client().result(TASK)

    assert wire.now == 7


@pytest.mark.parametrize(
    ("status", "kind"), [(400, RequestRefused), (401, NotAllowed), (403, NotAllowed), (404, NotFound)]
)
def test_a_refusal_is_final_and_carries_the_servers_words(status: int, kind: type[RequestRefused]):
    wire = Wire(refused(status, "priority: expected 0 to 255"))

    with pytest.raises(kind, match="priority: expected 0 to 255") as refusal:
        wire.client().result(TASK)

    assert refusal.value.status == status
    assert len(wire.requests) == 1


def test_a_404_that_is_not_json_comes_from_something_in_between_and_is_tried_again():
    wire = Wire(httpx.Response(404, html="<h1>no backend</h1>"), ok(task_id=TASK, state="PENDING"))

    result = wire.client().result(TASK)

    assert result.state == "PENDING"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>hello</h1>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"task_id": TASK}),
        httpx.Response(200, json={"task_id": TASK, "state": "PENDING", "exit_code": "many"}),
        httpx.Response(302, headers={"Location": "http://login.test"}),
    ],
)
def test_an_answer_that_no_swarming_server_gives_is_named_as_such(answer: httpx.Response):
    with pytest.raises(UnexpectedReply):
        Wire(answer).client().result(TASK)


FOREIGN = [
    httpx.Response(200, html="<h1>log in</h1>"),
    httpx.Response(302, headers={"Location": "http://login.test"}),
    httpx.Response(403, html="<h1>blocked</h1>"),
    httpx.Response(407, html="<h1>who are you</h1>"),
    httpx.Response(413, html="<h1>too large</h1>"),
    httpx.Response(401, json={"message": "no token"}),
]


@pytest.mark.parametrize("answer", FOREIGN)
def test_an_answer_of_something_on_the_way_does_not_end_what_the_server_had_answered_before(answer: httpx.Response):
    wire = Wire(ok(task_id=TASK, state="RUNNING"), answer, answer, ok(task_id=TASK, state="COMPLETED", exit_code="0"))

    result = wire.client().wait(TASK)

    assert result.state == "COMPLETED"
    assert len(wire.trouble) == 1


@pytest.mark.parametrize("answer", FOREIGN)
def test_a_first_answer_that_is_not_the_server_s_is_told_at_once(answer: httpx.Response):
    wire = Wire(answer)

    with pytest.raises(UnexpectedReply):
        wire.client().result(TASK)

    assert len(wire.requests) == 1


@pytest.mark.parametrize("proxy", ["socks9://u:secret@p:1", "http://u:secret@p:port", "://u:secret"])
def test_a_proxy_that_cannot_be_used_is_a_usage_error_without_its_password(monkeypatch, proxy: str):
    monkeypatch.setenv("http_proxy", proxy)

    with pytest.raises(UsageError, match="http_proxy") as refusal:
        Swarming("http://swarm.test")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("variable", ["SWARMING_CA_FILE", "SWARMING_CLIENT_CERT", "SSL_CERT_FILE"])
def test_certificates_that_cannot_be_read_are_a_usage_error(monkeypatch, tmp_path, variable: str):
    monkeypatch.setenv(variable, str(tmp_path / "missing.pem"))

    with pytest.raises(UsageError, match=variable):
        Swarming("https://swarm.test")


def test_text_that_cannot_travel_is_refused_before_it_is_sent():
    wire = Wire(ok(task_id=TASK))

    with pytest.raises(UsageError, match="expected text in UTF-8"):
        wire.client().new_task(NewTask(command=["echo", "\udcff"]))

    assert wire.requests == []


def test_a_held_question_says_for_how_long_and_is_given_that_much_more_time():
    wire = Wire(ok(state="RUNNING", output="x", next_offset="4"))

    output = wire.client().stdout(TASK, offset=3, wait_secs=20.0)

    assert (output.text, output.next_offset) == ("x", 4)
    assert dict(wire.requests[0].url.params) == {"offset": "3", "wait_secs": "20.0"}
    assert wire.requests[0].extensions["timeout"]["read"] == 50


def test_a_plain_question_does_not_mention_holding():
    wire = Wire(ok(state="RUNNING"))

    output = wire.client().stdout(TASK)

    assert dict(wire.requests[0].url.params) == {"offset": "0"}
    assert output.next_offset is None


def test_all_pages_of_a_list_are_read_and_merged():
    first, second = {"bot_id": "a"}, {"bot_id": "b"}
    wire = Wire(ok(items=[first], cursor="next", now="1"), ok(items=[second], now="2"))

    bots = wire.client().bots(dimensions=[("os", "Linux"), ("gpu", "none")], is_dead=False)

    assert [bot.bot_id for bot in bots.items] == ["a", "b"]
    assert bots.json == {"items": [first, second], "now": "2"}
    query = wire.requests[1].url.params
    assert query["cursor"] == "next"
    assert query["is_dead"] == "FALSE"
    assert query.get_list("dimensions") == ["os:Linux", "gpu:none"]
    assert "is_busy" not in query


def test_a_limit_is_spread_over_pages_and_never_exceeded():
    tasks = [{"task_id": f"{n:x}10", "state": "PENDING"} for n in range(1200)]
    wire = Wire(ok(items=tasks[:1000], cursor="c"), ok(items=tasks[1000:], cursor="d"))

    listed = wire.client().list_tasks(limit=1200, tags=["a:b"])

    assert len(listed.items) == 1200
    assert [request.url.params["limit"] for request in wire.requests] == ["1000", "200"]


def test_integers_times_and_absent_fields_are_read_as_what_they_mean():
    wire = Wire(ok(task_id=TASK, state="COMPLETED", exit_code="3", started_ts="2026-11-23T17:08:19.774561"))

    result = wire.client().result(TASK)

    assert result.exit_code == 3
    assert result.started is not None
    assert result.started.isoformat() == "2026-11-23T17:08:19.774561+00:00"
    assert (result.completed, result.failure, result.bot_id) == (None, False, None)


def test_an_id_cannot_lead_to_another_path():
    wire = Wire(ok(task_id=TASK, state="PENDING"))

    wire.client().result("../../x?y")

    assert wire.requests[0].url.raw_path == b"/api/swarming/v1/task/..%2F..%2Fx%3Fy/result"


@pytest.mark.parametrize(
    "address", ["", "ftp://x", "http://", "http://host:port", "http://a b", "http://[::1", "htp:/x", "http:/x:8080"]
)
def test_an_address_that_is_none_is_refused_at_once(address: str):
    with pytest.raises(UsageError, match="not a server address"):
        Swarming(address)


def test_an_address_may_come_without_its_scheme_and_with_a_slash():
    assert Swarming("swarm.test:8080/").server == "http://swarm.test:8080"


def test_waiting_returns_the_final_result():

    wire = Wire(ok(task_id=TASK, state="RUNNING"), ok(task_id=TASK, state="COMPLETED", exit_code="0"))

    result = wire.client().wait(TASK)

    assert result.state == "COMPLETED"
    assert wire.now == 1, "a server that does not hold its answers is asked again after a second"
