"""The run that the server hands out, checked and typed."""

from __future__ import annotations

import base64
import binascii
import os.path
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional
from urllib.parse import urldefrag, urlsplit

from swarming_bot.errors import BadManifest
from swarming_bot.foreign_inputs import refuse_foreign_inputs

# What a server uses unless a task says otherwise. The manifest of today does not carry it.
DEFAULT_PING_TOLERANCE_SECONDS = 1200.0
RUN_ID_PATTERN = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z_\-]*\Z")  # it names a folder and a URL
DIGEST_PATTERN = re.compile(r"sha256=([0-9a-fA-F]{64})\Z")


@dataclass(frozen=True)
class CacheWish:
    """A named cache that a run wants to find at a path of its folder."""

    name: str
    path: str  # "" is the task's folder itself, where no cache can be
    expected_bytes: int  # the server's guess, 0 for none


@dataclass(frozen=True)
class Input:
    """A zip to fetch and unpack into the task's folder."""

    url: str  # without its fragment
    name: str  # what people call it
    sha256: Optional[str]  # lower-case hex


@dataclass(frozen=True)
class Manifest:
    """One run: what to execute, where, and for how long."""

    run_id: str
    command: List[str]
    env: Dict[str, str]  # "" unsets
    env_prefixes: Dict[str, List[str]]  # paths relative to the task's folder
    relative_cwd: str  # "" is the task's folder itself
    hard_timeout: float  # seconds, 0 for none
    io_timeout: float  # seconds without output, 0 for none
    grace_period: float  # seconds between SIGTERM and SIGKILL
    ping_tolerance: float  # seconds without a word from us after which the server gives the run up
    secret_bytes: Optional[str]  # base64
    realm: Optional[str]
    bot_dimensions: Dict[str, List[str]]
    dimensions: Dict[str, List[str]]  # what the task asked for
    caches: List[CacheWish]
    inputs: List[Input]

    @property
    def task_id(self) -> str:
        """The id of the task this is a run of."""
        return self.run_id[:-1] + "0"


def run_id_of(raw: Any) -> str:
    """The run's id, which must be known before anything else of the manifest can be complained about."""
    run_id = raw.get("task_id") if isinstance(raw, dict) else None
    if not isinstance(run_id, str) or not RUN_ID_PATTERN.match(run_id):
        raise BadManifest(f"task_id: expected a run id, got {run_id!r}")
    return run_id


def parse_manifest(raw: Dict[str, Any]) -> Manifest:
    """Check what the server sent; BadManifest names the field and what was expected. Raises InputsNotFetched, too."""
    refuse_foreign_inputs(raw)
    return Manifest(
        run_id=run_id_of(raw),
        command=_texts(raw.get("command"), "command"),
        env=_env(raw.get("env")),
        env_prefixes=_env_prefixes(raw.get("env_prefixes")),
        relative_cwd=_inner_path(raw.get("relative_cwd") or "", "relative_cwd"),
        hard_timeout=_seconds(raw, "hard_timeout"),
        io_timeout=_seconds(raw, "io_timeout"),
        grace_period=_seconds(raw, "grace_period"),
        ping_tolerance=_seconds(raw, "bot_ping_tolerance_secs") or DEFAULT_PING_TOLERANCE_SECONDS,
        secret_bytes=_secret(raw.get("secret_bytes")),
        realm=(raw.get("realm") or {}).get("name"),
        bot_dimensions=raw.get("bot_dimensions") or {},
        dimensions=raw.get("dimensions") or {},
        caches=_caches(raw.get("caches")),
        inputs=_inputs(raw.get("data")),
    )


def _seconds(raw: Dict[str, Any], field: str) -> float:
    value = raw.get(field) or 0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise BadManifest(f"{field}: expected seconds, got {value!r}")
    return float(value)


def _texts(value: Any, field: str) -> List[str]:
    texts = value or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadManifest(f"{field}: expected a list of strings, got {value!r}")
    return texts


def _env(value: Any) -> Dict[str, str]:
    env = value or {}
    if not isinstance(env, dict) or not all(isinstance(text, str) for text in env.values()):
        raise BadManifest("env: expected an object of strings")
    return env


def _env_prefixes(value: Any) -> Dict[str, List[str]]:
    prefixes = value or {}
    if not isinstance(prefixes, dict):
        raise BadManifest("env_prefixes: expected an object of lists of paths")
    return {
        name: [_inner_path(path, "env_prefixes") for path in _texts(paths, "env_prefixes")]
        for name, paths in prefixes.items()
    }


def _caches(value: Any) -> List[CacheWish]:
    caches = value or []
    if not isinstance(caches, list) or not all(isinstance(one, dict) for one in caches):
        raise BadManifest("caches: expected a list of objects")
    return [_cache(one) for one in caches]


def _cache(raw: Dict[str, Any]) -> CacheWish:
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise BadManifest(f"caches: expected a name, got {name!r}")
    hint = str(raw.get("hint") or "0")  # a text, in the protocol
    return CacheWish(name, _inner_path(raw.get("path"), "caches"), int(hint) if hint.isdigit() else 0)


def _inputs(value: Any) -> List[Input]:
    pairs = value or []
    if not isinstance(pairs, list) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in pairs
    ):
        raise BadManifest("data: expected a list of [url, file]")
    return [_input(url, name) for url, name in pairs]


def _input(url: str, name: str) -> Input:
    plain, fragment = urldefrag(url)
    if urlsplit(plain).scheme not in ("http", "https"):
        raise BadManifest(f"data: expected an http or https URL, got {url!r}")
    digest = DIGEST_PATTERN.match(fragment)
    if fragment and digest is None:
        raise BadManifest(f"data: expected #sha256=<64 hex digits> or no fragment, got {url!r}")
    return Input(plain, name or plain.rsplit("/", 1)[-1], digest.group(1).lower() if digest else None)


def _inner_path(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise BadManifest(f"{field}: expected a path, got {value!r}")
    path = os.path.normpath(value) if value else ""
    if os.path.isabs(path) or path.split(os.sep)[0] == os.pardir:
        raise BadManifest(f"{field}: expected a path below the task's folder, got {value!r}")
    return "" if path == os.curdir else path


def _secret(value: Any) -> Optional[str]:
    if value is None:
        return None
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (AttributeError, binascii.Error, TypeError, ValueError) as error:
        raise BadManifest("secret_bytes: expected base64") from error
    return str(value)
