"""Translates a NewTaskRequest into the normalised request."""

from typing import TypeVar

from swarming_common.base64_text import decode_base64
from swarming_common.errors import InvalidInput
from swarming_common.model import request as model
from swarming_common.model.dimensions import requirements
from swarming_common.model.request_limits import Limits, check_request, check_user_tags, common_secret
from swarming_common.model.task_id import InvalidTaskId, parse_run_id
from swarming_frontend.api import messages
from swarming_frontend.identity import Caller
from swarming_frontend.usecases.submit import SubmitTask

T = TypeVar("T")

DEFAULT_PRIORITY = 100  # what the reference client takes: the middle of what users may ask for
MAX_UUID_LENGTH = 128  # part of a key; a UUID has 36

NO_CIPD = model.CipdInput()

SLICES_PATH = "task_slices[{}]."
LEGACY_PATH = ""


def translate(
    message: messages.NewTaskRequest, caller: Caller, limits: Limits, cipd: model.CipdInput = NO_CIPD
) -> SubmitTask:
    """The task that a message asks for, with the server and client of `cipd` where it has packages and names none.

    Raises InvalidInput for what is missing or out of its limits.
    """
    slices, path = _slices_of(message)
    request = model.TaskRequest(
        name=_required(message.name, "name", "a text"),
        priority=DEFAULT_PRIORITY if message.priority is None else message.priority,
        user=message.user or "",
        authenticated=str(caller),
        task_slices=tuple(_slice(one, path.format(number), cipd) for number, one in enumerate(slices)),
        parent_run_id=_parent(message.parent_task_id),
        outlives_parent=bool(message.outlives_parent),
        service_account=message.service_account or "none",
        realm=message.realm or "",
        resultdb_enable=bool(message.resultdb and message.resultdb.enable),
        pool_task_template=message.pool_task_template or "AUTO",
        bot_ping_tolerance_secs=_or(message.bot_ping_tolerance_secs, model.DEFAULT_PING_TOLERANCE_SECS),
        pubsub_topic=message.pubsub_topic or "",
        pubsub_auth_token=message.pubsub_auth_token or "",
        pubsub_userdata=message.pubsub_userdata or "",
    )
    check_request(request, limits, slices_path=path)
    tags = tuple(message.tags or ())
    check_user_tags(tags)
    secrets = [_secret(one.properties, path.format(number)) for number, one in enumerate(slices)]
    return SubmitTask(
        request=request,
        user_tags=tags,
        secret_bytes=common_secret(secrets, slices_path=path),
        request_uuid=checked_uuid(message.request_uuid),
        evaluate_only=bool(message.evaluate_only),
        by=str(caller),
    )


def checked_uuid(uuid: str | None) -> str | None:
    """What makes a repeated submission return the first task; an empty text is none. Raises InvalidInput."""
    if uuid is not None and len(uuid) > MAX_UUID_LENGTH:
        raise InvalidInput("request_uuid", f"expected at most {MAX_UUID_LENGTH} characters, got {len(uuid)}")
    return uuid or None


def _slices_of(message: messages.NewTaskRequest) -> tuple[list[messages.Slice], str]:
    """The slices, and how the caller's fields in them are called."""
    if message.properties is None and message.expiration_secs is None:
        return message.task_slices or [], SLICES_PATH
    if message.task_slices:
        raise InvalidInput("task_slices", "expected either task_slices or properties with expiration_secs")
    legacy = messages.Slice(properties=message.properties, expiration_secs=message.expiration_secs)
    return [legacy], LEGACY_PATH


def _slice(one: messages.Slice, path: str, cipd: model.CipdInput) -> model.TaskSlice:
    return model.TaskSlice(
        properties=_properties(_required(one.properties, f"{path}properties", "an object"), path, cipd),
        expiration_secs=_required(one.expiration_secs, f"{path}expiration_secs", "seconds"),
        wait_for_capacity=bool(one.wait_for_capacity),
    )


def _properties(given: messages.Properties, path: str, cipd: model.CipdInput) -> model.TaskProperties:
    return model.TaskProperties(
        command=tuple(given.command or ()),
        dimensions=requirements((one.key, one.value) for one in given.dimensions or ()),
        execution_timeout_secs=_required(
            given.execution_timeout_secs, f"{path}properties.execution_timeout_secs", "seconds"
        ),
        io_timeout_secs=given.io_timeout_secs or 0,
        grace_period_secs=_or(given.grace_period_secs, model.DEFAULT_GRACE_PERIOD_SECS),
        relative_cwd=given.relative_cwd or None,
        env=tuple(sorted((one.key, one.value) for one in given.env or ())),
        env_prefixes=tuple(
            model.EnvPrefix(key=one.key, values=tuple(one.value))
            for one in sorted(given.env_prefixes or (), key=lambda prefix: prefix.key)
        ),
        idempotent=bool(given.idempotent),
        caches=tuple(model.Cache(name=one.name, path=one.path) for one in given.caches or ()),
        data=tuple(model.Input(url=one.url, file=one.file or "") for one in given.data or ()),
        cipd_input=_cipd(given.cipd_input, cipd),
        cas_input_root=_cas(given.cas_input_root),
        outputs=tuple(given.outputs or ()),
        has_secret_bytes=bool(given.secret_bytes),
        containment_type=(given.containment and given.containment.containment_type) or "NOT_SPECIFIED",
    )


def _cipd(given: messages.CipdInput | None, default: model.CipdInput) -> model.CipdInput | None:
    if given is None:
        return None
    return model.CipdInput(
        server=given.server or default.server,
        client_package=_package(given.client_package) if given.client_package else default.client_package,
        packages=tuple(_package(one) for one in given.packages or ()),
    )


def _package(given: messages.Package) -> model.CipdPackage:
    return model.CipdPackage(package_name=given.package_name, version=given.version, path=given.path or "")


def _cas(given: messages.CasReference | None) -> model.CasReference | None:
    if given is None:
        return None
    digest = model.Digest(hash=given.digest.hash, size_bytes=given.digest.size_bytes)
    return model.CasReference(cas_instance=given.cas_instance, digest=digest)


def _secret(given: messages.Properties | None, path: str) -> bytes | None:
    if given is None or not given.secret_bytes:
        return None
    try:
        return decode_base64(given.secret_bytes)
    except ValueError as error:
        raise InvalidInput(f"{path}properties.secret_bytes", "expected base64") from error


def _parent(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return str(parse_run_id(text))
    except InvalidTaskId as error:
        raise InvalidInput("parent_task_id", f"expected a run id ({error})") from error


def _required(value: T | None, field: str, kind: str) -> T:
    if value is None:
        raise InvalidInput(field, f"expected {kind}, it is required")
    return value


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
