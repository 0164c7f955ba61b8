"""What makes two slices twins: they run the same on the same kind of machine, so one's result will do for the other."""

from hashlib import sha256

from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice


def properties_hash(properties: TaskProperties, secret_bytes: bytes | None) -> str:
    """SHA-256 in hex of the properties in their normalised form and of the secret bytes."""
    digest = sha256(properties.model_dump_json().encode())
    if secret_bytes is not None:
        digest.update(b"\0" + secret_bytes)
    return digest.hexdigest()


def with_hashes(request: TaskRequest, secret_bytes: bytes | None) -> TaskRequest:
    """The request with the hashes of its idempotent slices, and no others."""
    if not any(one.properties.idempotent or one.properties_hash for one in request.task_slices):
        return request
    slices = tuple(_with_hash(one, secret_bytes) for one in request.task_slices)
    return request.model_copy(update={"task_slices": slices})


def _with_hash(one: TaskSlice, secret_bytes: bytes | None) -> TaskSlice:
    found = properties_hash(one.properties, secret_bytes) if one.properties.idempotent else ""
    return one.model_copy(update={"properties_hash": found})
