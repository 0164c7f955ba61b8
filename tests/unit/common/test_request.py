from typing import Any

import pytest

from swarming_common.errors import InvalidInput
from swarming_common.model.dimensions import requirements
from swarming_common.model.request import (
    Cache,
    CasReference,
    CipdInput,
    CipdPackage,
    Digest,
    EnvPrefix,
    Input,
    TaskProperties,
    TaskRequest,
    TaskSlice,
)
from swarming_common.model.request_limits import Limits, check_request, check_user_tags, common_secret
from swarming_common.model.tags import with_automatic_tags

PROPERTIES = "task_slices[0].properties."


def some_properties(*dimensions: tuple[str, str], **fields: Any) -> TaskProperties:
    values: dict[str, Any] = {
        "command": ("true",),
        "dimensions": requirements([("pool", "default"), *dimensions]),
        "execution_timeout_secs": 60,
    }
    return TaskProperties(**values | fields)


def a_slice(*dimensions: tuple[str, str], expiration_secs: int = 300, **properties: Any) -> TaskSlice:
    return TaskSlice(properties=some_properties(*dimensions, **properties), expiration_secs=expiration_secs)


def a_request(*slices: TaskSlice, **fields: Any) -> TaskRequest:
    values: dict[str, Any] = {
        "name": "a task",
        "priority": 100,
        "authenticated": "anonymous:anonymous",
        "task_slices": slices or (a_slice(),),
    }
    return TaskRequest(**values | fields)


def packages(*versions: str) -> CipdInput:
    return CipdInput(
        server="https://cipd.example.org",
        client_package=CipdPackage(package_name="cipd", version="latest"),
        packages=tuple(
            CipdPackage(package_name=f"p{number}", version=version) for number, version in enumerate(versions)
        ),
    )


def changed(cipd: CipdInput, **fields: object) -> CipdInput:
    return cipd.model_copy(update=fields)


@pytest.mark.parametrize(
    "request_",
    [
        a_request(),
        a_request(name="n" * 1024, priority=0),
        a_request(priority=255, bot_ping_tolerance_secs=60),
        a_request(bot_ping_tolerance_secs=1200),
        a_request(service_account="bot"),
        a_request(service_account="none"),
        a_request(pubsub_topic="t" * 1024, pubsub_userdata="u" * 1024),
        a_request(a_slice(command=("a",) * 128)),
        a_request(a_slice(execution_timeout_secs=30, io_timeout_secs=0, grace_period_secs=0)),
        a_request(a_slice(execution_timeout_secs=601_140, io_timeout_secs=601_140, grace_period_secs=3600)),
        a_request(a_slice(expiration_secs=604_800)),
        a_request(*(a_slice(("n", str(number))) for number in range(8))),
        a_request(a_slice(*((f"k{number}", "v") for number in range(31)))),
        a_request(a_slice(*(("k", f"v{number}") for number in range(16)))),
        a_request(a_slice(("k", "a|b|c|d"), ("l", "a|b"))),
        a_request(a_slice(("k" * 64, "v" * 256))),
        a_request(a_slice(("k", "v" * 256 + "|" + "w" * 256))),
        a_request(a_slice(env=tuple((f"K{number}", "v" * 1024) for number in range(64)))),
        a_request(a_slice(env_prefixes=(EnvPrefix(key="PATH", values=("a/b", "c")),))),
        a_request(a_slice(caches=(Cache(name="a_1", path="c/a"), Cache(name="b", path="c/b")))),
        a_request(a_slice(cipd_input=packages(*["latest"] * 64))),
        a_request(a_slice(cipd_input=packages("git_revision:abc", "0" * 40), idempotent=True)),
        a_request(a_slice(outputs=("o" * 512,) * 4096, relative_cwd="a/b")),
        a_request(a_slice(cas_input_root=CasReference(cas_instance="i", digest=Digest(hash="h", size_bytes=1)))),
    ],
)
def test_a_request_within_its_limits_is_accepted(request_):
    check_request(request_)


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("name", a_request(name="")),
        ("name", a_request(name="n" * 1025)),
        ("user", a_request(user="u" * 257)),
        ("priority", a_request(priority=-1)),
        ("priority", a_request(priority=256)),
        ("bot_ping_tolerance_secs", a_request(bot_ping_tolerance_secs=59)),
        ("bot_ping_tolerance_secs", a_request(bot_ping_tolerance_secs=1201)),
        ("service_account", a_request(service_account="somebody")),
        ("service_account", a_request(service_account="a@b.c")),
        ("pool_task_template", a_request(pool_task_template="SOMETIMES")),
        ("pubsub_topic", a_request(pubsub_topic="t" * 1025)),
        ("task_slices", a_request(*(a_slice(("n", str(number))) for number in range(9)))),
        ("task_slices", a_request(a_slice(), a_slice())),
        ("task_slices", a_request(*(a_slice(("n", str(n)), expiration_secs=302_401) for n in range(2)))),
        ("task_slices[0].expiration_secs", a_request(a_slice(expiration_secs=29))),
        ("task_slices[0].expiration_secs", a_request(a_slice(expiration_secs=604_801))),
        (PROPERTIES + "command", a_request(a_slice(command=()))),
        (PROPERTIES + "command", a_request(a_slice(command=("a",) * 129))),
        (PROPERTIES + "execution_timeout_secs", a_request(a_slice(execution_timeout_secs=0))),
        (PROPERTIES + "execution_timeout_secs", a_request(a_slice(execution_timeout_secs=29))),
        (PROPERTIES + "execution_timeout_secs", a_request(a_slice(execution_timeout_secs=601_141))),
        (PROPERTIES + "io_timeout_secs", a_request(a_slice(io_timeout_secs=29))),
        (PROPERTIES + "io_timeout_secs", a_request(a_slice(io_timeout_secs=-1))),
        (PROPERTIES + "grace_period_secs", a_request(a_slice(grace_period_secs=-1))),
        (PROPERTIES + "grace_period_secs", a_request(a_slice(grace_period_secs=3601))),
        (PROPERTIES + "dimensions", a_request(a_slice(dimensions=()))),
        (PROPERTIES + "dimensions", a_request(a_slice(("pool", "other")))),
        (PROPERTIES + "dimensions", a_request(a_slice(dimensions=(("pool", "a|b"),)))),
        (PROPERTIES + "dimensions", a_request(a_slice(("id", "a"), ("id", "b")))),
        (PROPERTIES + "dimensions", a_request(a_slice(*((f"k{n}", "v") for n in range(32))))),
        (PROPERTIES + "dimensions", a_request(a_slice(("k", "a|b|c"), ("l", "a|b|c")))),
        (PROPERTIES + "dimensions[k]", a_request(a_slice(*(("k", f"v{n}") for n in range(17))))),
        (PROPERTIES + "dimensions[k]", a_request(a_slice(("k", "")))),
        (PROPERTIES + "dimensions[k]", a_request(a_slice(("k", "a||b")))),
        (PROPERTIES + "dimensions[k]", a_request(a_slice(("k", " a")))),
        (PROPERTIES + "dimensions[k]", a_request(a_slice(("k", "v" * 257)))),
        (PROPERTIES + "dimensions[1k]", a_request(a_slice(("1k", "v")))),
        (PROPERTIES + "env[1X]", a_request(a_slice(env=(("1X", "v"),)))),
        (PROPERTIES + "env[X]", a_request(a_slice(env=(("X", "v"), ("X", "w"))))),
        (PROPERTIES + "env[X]", a_request(a_slice(env=(("X", "v" * 1025),)))),
        (PROPERTIES + "env", a_request(a_slice(env=tuple((f"K{n}", "") for n in range(65))))),
        (PROPERTIES + "env_prefixes[P]", a_request(a_slice(env_prefixes=(EnvPrefix(key="P", values=()),)))),
        (
            PROPERTIES + "env_prefixes[P]",
            a_request(a_slice(env_prefixes=(EnvPrefix(key="P", values=("/a",)),))),
        ),
        (PROPERTIES + "caches[0].name", a_request(a_slice(caches=(Cache(name="A", path="a"),)))),
        (PROPERTIES + "caches[0].path", a_request(a_slice(caches=(Cache(name="a", path="../a"),)))),
        (
            PROPERTIES + "caches",
            a_request(a_slice(caches=(Cache(name="a", path="a"), Cache(name="a", path="b")))),
        ),
        (
            PROPERTIES + "caches",
            a_request(a_slice(caches=(Cache(name="a", path="a"), Cache(name="b", path="a")))),
        ),
        (
            PROPERTIES + "caches",
            a_request(a_slice(caches=tuple(Cache(name=f"c{n}", path=f"c{n}") for n in range(33)))),
        ),
        (PROPERTIES + "data", a_request(a_slice(data=(Input(url="http://h/a.zip"),) * 65))),
        (PROPERTIES + "data[1].url", a_request(a_slice(data=(Input(url="http://h/a.zip"), Input(url=""))))),
        (PROPERTIES + "data[0].url", a_request(a_slice(data=(Input(url="file:///etc/passwd"),)))),
        (PROPERTIES + "data[0].url", a_request(a_slice(data=(Input(url="https:///a.zip"),)))),
        (PROPERTIES + "data[0].url", a_request(a_slice(data=(Input(url="http://h:x/a.zip"),)))),
        (PROPERTIES + "data[0].url", a_request(a_slice(data=(Input(url="http://h/a.zip#sha256=12"),)))),
        (PROPERTIES + "data[0].url", a_request(a_slice(data=(Input(url="http://h/" + "a" * 2048),)))),
        (PROPERTIES + "data[0].file", a_request(a_slice(data=(Input(url="http://h/a.zip", file="a" * 257),)))),
        (PROPERTIES + "cipd_input.packages", a_request(a_slice(cipd_input=CipdInput()))),
        (PROPERTIES + "cipd_input.packages", a_request(a_slice(cipd_input=packages(*["v"] * 65)))),
        (PROPERTIES + "cipd_input.server", a_request(a_slice(cipd_input=changed(packages("v"), server="")))),
        (
            PROPERTIES + "cipd_input.client_package",
            a_request(a_slice(cipd_input=changed(packages("v"), client_package=None))),
        ),
        (
            PROPERTIES + "cipd_input.packages[0].version",
            a_request(a_slice(cipd_input=packages("latest"), idempotent=True)),
        ),
        (PROPERTIES + "outputs", a_request(a_slice(outputs=("o",) * 4097))),
        (PROPERTIES + "outputs[0]", a_request(a_slice(outputs=("o" * 513,)))),
        (PROPERTIES + "relative_cwd", a_request(a_slice(relative_cwd="a//b"))),
        (PROPERTIES + "relative_cwd", a_request(a_slice(relative_cwd="a\\b"))),
        (PROPERTIES + "relative_cwd", a_request(a_slice(relative_cwd=".."))),
        (PROPERTIES + "relative_cwd", a_request(a_slice(relative_cwd="a/"))),
        (PROPERTIES + "containment.containment_type", a_request(a_slice(containment_type="STEEL"))),
        (
            "task_slices[1].properties.dimensions",
            a_request(a_slice(), a_slice(dimensions=(("pool", "other"),))),
        ),
    ],
)
def test_what_is_out_of_its_limits_is_named(field, request_):
    with pytest.raises(InvalidInput) as refused:
        check_request(request_)

    assert refused.value.field == field
    assert refused.value.expected.startswith("expected ")


def test_an_installation_may_lower_the_floors():
    request = a_request(
        a_slice(execution_timeout_secs=1, io_timeout_secs=1, expiration_secs=1), bot_ping_tolerance_secs=2
    )

    check_request(request, Limits(min_timeout_secs=1, min_ping_tolerance_secs=2))


@pytest.mark.parametrize(
    ("field", "tags"),
    [
        ("tags", ["a:b"] * 257),
        ("tags[0]", ["ab"]),
        ("tags[1]", ["a:b", ":b"]),
        ("tags[0]", ["a:"]),
        ("tags[0]", ["k" * 65 + ":v"]),
        ("tags[0]", ["k:" + "v" * 257]),
        ("tags[0]", ["swarming.terminate:1"]),
    ],
)
def test_a_tag_that_a_user_may_not_give_is_named(field, tags):
    with pytest.raises(InvalidInput) as refused:
        check_user_tags(tags)

    assert refused.value.field == field


def test_a_tag_value_may_hold_colons():
    check_user_tags(["url:http://x/"])


def test_secret_bytes_are_the_same_in_all_slices():
    assert common_secret([b"a", b"a"]) == b"a"
    assert common_secret([None, None]) is None

    with pytest.raises(InvalidInput, match=r"^task_slices\[1\].properties.secret_bytes: expected the same"):
        common_secret([b"a", b"b"])


def test_secret_bytes_are_limited():
    assert common_secret([b"s" * 20_480]) is not None

    with pytest.raises(InvalidInput, match="at most 20480 bytes"):
        common_secret([b"s" * 20_481])


def test_automatic_tags_are_merged_sorted_and_each_there_once():
    request = a_request(a_slice(("os", "Linux|Mac")), a_slice(("gpu", "1")), user="me", realm="r")

    tags = with_automatic_tags(["z:z", "pool:default"], request)

    assert tags == (
        "authenticated:anonymous:anonymous",
        "gpu:1",
        "os:Linux",
        "os:Mac",
        "pool:default",
        "priority:100",
        "realm:r",
        "service_account:none",
        "swarming.pool.template:no_config",
        "user:me",
        "z:z",
    )


def test_a_childs_automatic_tags_name_its_parent():
    tags = with_automatic_tags([], a_request(parent_run_id="7c2236638dbfed11"))

    assert "parent_task_id:7c2236638dbfed11" in tags


def test_no_default_has_changed_since_requests_were_first_stored_without_them():
    properties = TaskProperties(dimensions=(), execution_timeout_secs=60)
    request = TaskRequest(
        name="n", priority=1, authenticated="a", task_slices=(TaskSlice(properties=properties, expiration_secs=60),)
    )

    stored = request.model_dump(mode="json", exclude_defaults=True)
    whole = request.model_dump(mode="json")

    assert TaskRequest.model_validate(stored) == request
    assert {name: whole[name] for name in whole.keys() - stored.keys()} == {
        "bot_ping_tolerance_secs": 1200,
        "outlives_parent": False,
        "parent_run_id": None,
        "pool_task_template": "AUTO",
        "pubsub_auth_token": "",
        "pubsub_topic": "",
        "pubsub_userdata": "",
        "realm": "",
        "resultdb_enable": False,
        "service_account": "none",
        "tags": [],
        "user": "",
    }
    [its] = whole["task_slices"]
    assert (its["wait_for_capacity"], its["properties_hash"]) == (False, "")
    assert {
        name: one for name, one in its["properties"].items() if name not in stored["task_slices"][0]["properties"]
    } == {
        "cas_input_root": None,
        "caches": [],
        "cipd_input": None,
        "command": [],
        "containment_type": "NOT_SPECIFIED",
        "data": [],
        "env": [],
        "env_prefixes": [],
        "grace_period_secs": 30,
        "has_secret_bytes": False,
        "idempotent": False,
        "io_timeout_secs": 0,
        "outputs": [],
        "relative_cwd": None,
    }
