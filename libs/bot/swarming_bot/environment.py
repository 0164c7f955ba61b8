"""Everything a task's process finds when it starts: folders, environment variables, LUCI_CONTEXT."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from swarming_bot.errors import TaskAtFault
from swarming_bot.manifest import Manifest
from swarming_bot.parameters import Parameters
from swarming_bot.path_trouble import is_path_trouble
from swarming_bot.removal import remove_tree


@dataclass(frozen=True)
class Environment:
    """What to start, where, and with which variables."""

    command: List[str]
    cwd: str
    variables: Dict[str, str]


def task_folder_of(folder: str) -> str:
    """The task's own folder within its run's."""
    return os.path.join(folder, "task")


def prepare_environment(
    manifest: Manifest,
    folder: str,
    server_url: str,
    bot_id: str,
    base: Optional[Mapping[str, str]] = None,
    fill: Callable[[str], None] = lambda task_folder: None,
    describe_bot: Callable[[], Dict[str, Any]] = dict,
) -> Environment:
    """Build the run's folder anew, and say what to start in it.

    folder/task is the task's own folder, folder/tmp its TMPDIR.
    base: the variables that the task's own are added to, those of this process if not given.
    fill: puts things into the task's folder. What it raises is passed on.
    describe_bot: what the task may know of its bot (parameters.py).
    Raises TaskAtFault when what was put there leaves no room for relative_cwd.
    """
    task_folder = task_folder_of(folder)
    tmp_folder = os.path.join(folder, "tmp")
    cwd = os.path.join(task_folder, manifest.relative_cwd) if manifest.relative_cwd else task_folder
    try:
        os.mkdir(folder)
    except (FileExistsError, FileNotFoundError):  # a removal that failed; a folder above that was removed
        remove_tree(folder)
        os.makedirs(folder)
    os.mkdir(task_folder)
    os.mkdir(tmp_folder)
    fill(task_folder)
    try:
        os.makedirs(cwd, exist_ok=True)
    except OSError as error:
        if is_path_trouble(error):
            raise TaskAtFault(f"relative_cwd {manifest.relative_cwd!r}: {error.strerror}") from error
        raise

    context_path = os.path.join(folder, "luci_context.json")
    _write_luci_context(manifest, context_path)
    parameters = Parameters(folder, describe_bot)
    variables = _variables(manifest, task_folder, os.environ if base is None else base, parameters)
    variables.update(
        SWARMING_TASK_ID=manifest.run_id,
        SWARMING_SERVER=server_url,
        SWARMING_BOT_ID=bot_id,
        SWARMING_HEADLESS="1",
        LUCI_CONTEXT=context_path,
        TMPDIR=tmp_folder,
        TEMP=tmp_folder,  # programs that look there first would leave things behind
        TMP=tmp_folder,
        CIPD_ARCHITECTURE=cipd_architecture(platform.machine()),
        PWD=cwd,
    )
    return Environment([parameters.replace_in(argument) for argument in manifest.command], cwd, variables)


def cipd_architecture(machine: str) -> str:
    """What CIPD calls a processor: amd64, 386, arm64, armv6l."""
    machine = machine.lower()
    if machine in ("x86_64", "amd64"):
        return "amd64"
    if machine in ("i386", "i486", "i586", "i686", "x86"):
        return "386"
    if machine in ("aarch64", "arm64"):
        return "arm64"
    return "armv6l" if machine.startswith("arm") else machine


def _variables(manifest: Manifest, task_folder: str, base: Mapping[str, str], parameters: Parameters) -> Dict[str, str]:
    variables = dict(base)
    for name, value in manifest.env.items():
        if value:
            variables[name] = parameters.replace_in(value)
        else:
            variables.pop(name, None)
    for name, paths in manifest.env_prefixes.items():
        parts = [os.path.normpath(os.path.join(task_folder, path)) for path in paths]
        if variables.get(name):
            parts.append(variables[name])
        variables[name] = os.pathsep.join(parts)
    return variables


def _write_luci_context(manifest: Manifest, path: str) -> None:
    task = {
        "task_id": manifest.task_id,
        "bot_dimensions": [f"{key}:{value}" for key, values in manifest.bot_dimensions.items() for value in values],
    }
    context: Dict[str, Any] = {"swarming": {"task": task}}
    if manifest.secret_bytes is not None:
        context["swarming"]["secret_bytes"] = manifest.secret_bytes
    deadline: Dict[str, float] = {"grace_period": manifest.grace_period}
    if manifest.hard_timeout:
        deadline["soft_deadline"] = time.time() + manifest.hard_timeout
    context["deadline"] = deadline
    if manifest.realm:
        context["realm"] = {"name": manifest.realm}
    # It may hold a secret, so it is never readable by others, not even for a moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(context, file)
