"""What a bot is given to run a task (bot-api.md section 5)."""

from collections.abc import Mapping
from typing import Any

from swarming_botgateway.identity import AUTHENTICATED_AS
from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.request import CipdInput, CipdPackage, TaskProperties
from swarming_common.model.task_id import RunId

NO_HINT = "0"
"""How many bytes a named cache is expected to hold, as a text; nobody has counted."""


def is_termination(assigned: RunAssigned) -> bool:
    """Whether this is no work but the order to end: such a task asks for a bot and no pool, and has no command."""
    properties = assigned.properties
    return not properties.command and all(key != "pool" for key, _ in properties.dimensions)


def run_id(assigned: RunAssigned) -> str:
    """What a bot knows the run by."""
    return str(RunId(assigned.task_id, assigned.run_number))


def manifest(assigned: RunAssigned, bot_dimensions: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The manifest. `io_timeout` is always there: upstream's bot breaks without a word if it is not."""
    properties = assigned.properties
    cas = properties.cas_input_root
    inputs = [[one.url, one.file] for one in properties.data]  # ours: absent where there is none
    return {
        "task_id": run_id(assigned),
        "bot_id": assigned.bot_id,
        "bot_authenticated_as": AUTHENTICATED_AS,
        "bot_dimensions": bot_dimensions,
        "dimensions": _asked(properties),
        "command": properties.command,
        "relative_cwd": properties.relative_cwd,
        "env": dict(properties.env),
        "env_prefixes": {one.key: one.values for one in properties.env_prefixes},
        "hard_timeout": properties.execution_timeout_secs,
        "io_timeout": properties.io_timeout_secs,
        "grace_period": properties.grace_period_secs,
        "caches": [{"name": one.name, "path": one.path, "hint": NO_HINT} for one in properties.caches],
        "cas_input_root": None if cas is None else cas.model_dump(),
        "cipd_input": None if properties.cipd_input is None else _cipd(properties.cipd_input),
        "outputs": properties.outputs,
        "secret_bytes": assigned.secret_bytes,
        "realm": {"name": assigned.realm} if assigned.realm else {},
        "resultdb": None,
        "service_accounts": {
            "system": {"service_account": "none"},
            "task": {"service_account": assigned.service_account},
        },
        "containment": _containment(properties.containment_type),
        "bot_ping_tolerance_secs": assigned.bot_ping_tolerance_secs,
    } | ({"data": inputs} if inputs else {})


def _containment(kind: str) -> dict[str, str]:
    return {} if kind == "NOT_SPECIFIED" else {"containment_type": kind}


def _asked(properties: TaskProperties) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = {}
    for key, value in properties.dimensions:
        asked.setdefault(key, []).append(value)
    return asked


def _cipd(cipd: CipdInput) -> dict[str, Any]:
    client = cipd.client_package
    return {
        "server": cipd.server,
        "client_package": None if client is None else _package(client, with_path=False),
        "packages": [_package(one, with_path=True) for one in cipd.packages],
    }


def _package(package: CipdPackage, *, with_path: bool) -> dict[str, str]:
    named = {"package_name": package.package_name, "version": package.version}
    return named | {"path": package.path} if with_path else named
