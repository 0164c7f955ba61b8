"""What makes two slices twins."""

import pytest

from swarming_common.model.properties_hash import properties_hash, with_hashes
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice

PROPERTIES = TaskProperties(
    command=("true",), dimensions=(("pool", "default"),), execution_timeout_secs=60, idempotent=True
)


def test_the_same_properties_and_secret_have_the_same_hash():
    again = TaskProperties.model_validate_json(PROPERTIES.model_dump_json())

    assert properties_hash(again, b"secret") == properties_hash(PROPERTIES, b"secret")


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("tr", "ue")},
        {"dimensions": (("os", "Linux"), ("pool", "default"))},
        {"env": (("A", "b"),)},
        {"execution_timeout_secs": 61},
        {"outputs": ("a",)},
    ],
)
def test_whatever_else_is_asked_for_makes_another_hash(change):
    assert properties_hash(PROPERTIES.model_copy(update=change), None) != properties_hash(PROPERTIES, None)


def test_secrets_tell_twins_apart():
    hashes = {properties_hash(PROPERTIES, secret) for secret in (None, b"", b"a", b"b")}

    assert len(hashes) == 4


def test_only_idempotent_slices_have_a_hash_and_a_stale_one_goes():
    stale = PROPERTIES.model_copy(update={"idempotent": False})
    slices = (
        TaskSlice(properties=PROPERTIES, expiration_secs=60),
        TaskSlice(properties=stale, expiration_secs=60, properties_hash="of what it was cloned from"),
    )
    request = TaskRequest(name="a", priority=1, authenticated="", task_slices=slices)

    hashes = [one.properties_hash for one in with_hashes(request, None).task_slices]

    assert hashes == [properties_hash(PROPERTIES, None), ""]
