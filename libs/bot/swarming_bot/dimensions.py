"""What this machine can do, in the words that tasks ask for it."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from typing import Any, Dict, Iterable, List, Mapping

from swarming_bot.hardware import container_kind, gpu_values, memory_bytes, memory_steps

DEFAULT_POOL = "default"
KEY_PATTERN = re.compile(r"[a-zA-Z\-_.][0-9a-zA-Z\-_.]{0,63}\Z")
LONGEST_VALUE = 256

Dimensions = Dict[str, List[str]]


def short_host_name() -> str:
    """The host's name up to the first dot, as upstream's default bot id."""
    return socket.gethostname().partition(".")[0] or "localhost"


def machine_dimensions() -> Dimensions:
    """What every bot says of its machine. What cannot be found out is left out."""
    container = container_kind()
    found = {
        "os": os_values(),
        "cpu": cpu_values(platform.machine(), sys.maxsize > 2**32),
        "cores": [str(os.cpu_count() or 1)],
        "gpu": gpu_values(),
        "inside_docker": ["0"] if container is None else ["1", container],
        "kernel": kernel_values(platform.release()),
        "memory": memory_steps(memory_bytes()),
        "python": [f"{sys.version_info[0]}", f"{sys.version_info[0]}.{sys.version_info[1]}"],
    }
    return {key: values for key, values in found.items() if values}


def kernel_values(release: str) -> List[str]:
    """From the general to the exact: 6, 6.1, 6.1.0-18-amd64."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    values = [numbers.group(1), numbers.group(0)] if numbers else []
    return [*values, release] if release and release not in values else values


def os_values() -> List[str]:
    """From the general to the exact, sorted: Debian, Debian-12, Linux; or Mac, Mac-14, Mac-14.5."""
    if sys.platform == "darwin":
        return _with_versions("Mac", platform.mac_ver()[0])
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            release = parse_os_release(file)
    except OSError:
        release = {}
    distribution = release.get("ID", "").capitalize()
    values = {platform.system() or "Linux"}
    if distribution:
        values.update(_with_versions(distribution, release.get("VERSION_ID", "")))
    return sorted(values)


def parse_os_release(lines: Iterable[str]) -> Dict[str, str]:
    """The KEY=value lines of /etc/os-release, without quotes."""
    pairs = (line.strip().partition("=") for line in lines)
    return {key: value.strip("\"'") for key, _, value in pairs if key and not key.startswith("#")}


def cpu_values(machine: str, is_64_bit: bool) -> List[str]:
    """The family and the family with its word size: x86, x86-64; or arm64, arm64-64."""
    machine = machine.lower()
    if machine in ("x86_64", "amd64", "i386", "i486", "i586", "i686", "x86"):
        family = "x86"
    elif machine in ("aarch64", "arm64"):
        family = "arm64"
    elif machine.startswith("arm"):
        family = "arm"
    else:
        family = machine or "unknown"
    return [family, f"{family}-{64 if is_64_bit else 32}"]


def parse_dimensions(arguments: Iterable[str]) -> Dimensions:
    """Turn repeated KEY=VALUE arguments into dimensions; ValueError says which one is wrong and why."""
    dimensions: Dimensions = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise ValueError(f"dimension {argument!r}: expected KEY=VALUE")
        _check(argument, key, value)
        values = dimensions.setdefault(key, [])
        if value not in values:
            values.append(value)
    return dimensions


def bot_dimensions(bot_id: str, given: Mapping[str, List[str]], machine: Mapping[str, List[str]]) -> Dimensions:
    """All dimensions of one bot. A given key replaces what the machine says of itself."""
    return {"pool": [DEFAULT_POOL], **machine, **given, "id": [bot_id]}


def checked_dimensions(raw: Any) -> Dimensions:
    """What a hook says the dimensions are; ValueError says what is wrong. A key without values takes one away."""
    if not isinstance(raw, dict):
        raise ValueError(f"expected a dict of lists of strings, got {raw!r}")
    checked: Dimensions = {}
    for key, values in raw.items():
        if isinstance(values, str) or not isinstance(values, (list, tuple, set, frozenset, type(None))):
            raise ValueError(f"dimension {key!r}: expected a list of strings, got {values!r}")
        texts = sorted(values) if isinstance(values, (set, frozenset)) else list(values or ())
        for value in texts:
            if not isinstance(key, str) or not isinstance(value, str):
                raise ValueError(f"dimension {key!r}: expected strings, got {value!r}")
            if key != "id":  # the bot's own, whatever the hook says
                _check(f"{key}={value}", key, value)
        checked[key] = list(dict.fromkeys(texts))
    return checked


def _check(argument: str, key: str, value: str) -> None:
    if key == "id":
        raise ValueError(f"dimension {argument!r}: a bot's id is set with --id")
    if not KEY_PATTERN.match(key):
        raise ValueError(
            f"dimension {argument!r}: a key has 1 to 64 letters, digits, '-', '_' or '.', and no digit first"
        )
    if not 1 <= len(value) <= LONGEST_VALUE or value != value.strip():
        raise ValueError(f"dimension {argument!r}: a value has 1 to 256 characters and no space around it")
    if key == "pool" and ":" in value:
        raise ValueError(f"dimension {argument!r}: a pool has no ':' in its name")


def _with_versions(name: str, version: str) -> List[str]:
    parts = [part for part in version.split(".") if part]
    return [name] + [f"{name}-{'.'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
