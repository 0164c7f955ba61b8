"""The settings of pools from a TOML file, which is read again when it changes.

[default]              # pools that are not named, and what a named one leaves out
task_retries = 2

[pools.nightly]
order = "lifo"
max_pending = 1000
"""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from swarming_common.background import Background
from swarming_common.pools.port import MAX_TASK_RETRIES, FixedPools, Order, Pools, PoolSettings
from swarming_common.settings import InvalidSetting

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3.0
"""How often the file's time of change is looked at."""


@asynccontextmanager
async def open_pools(path: str, built_in: PoolSettings, look_seconds: float = LOOK_SECONDS) -> AsyncIterator[Pools]:
    """The pools of this file, kept up to date; without a path every pool has the built-in settings.

    Raises InvalidSetting, naming the key, when the file cannot be read or is wrong.
    """
    if not path:
        yield FixedPools(built_in)
        return
    file = PoolsFile(Path(path), built_in)
    async with Background() as background:
        background.every(look_seconds, file.refresh, "pools_file")
        yield file


class PoolsFile:
    """The pools as the file was when it was last right."""

    def __init__(self, path: Path, built_in: PoolSettings) -> None:
        """Raises InvalidSetting."""
        self._path = path
        self._built_in = built_in
        self._seen = _fingerprint(path)
        self._pools = _read(path, built_in)

    def of(self, pool: str) -> PoolSettings:
        """The settings of this pool."""
        return self._pools.of(pool)

    @property
    def has_limits(self) -> bool:
        """Whether any pool has a `max_pending`."""
        return self._pools.has_limits

    async def refresh(self) -> None:
        """Take what the file says if it changed; a wrong one is logged once, and the last good settings stay."""
        try:
            seen = await asyncio.to_thread(_fingerprint, self._path)
            if seen == self._seen:
                return
            self._seen = seen
            self._pools = await asyncio.to_thread(_read, self._path, self._built_in)
            log.info("pools_file_read", path=str(self._path), pools=len(self._pools.named))
        except InvalidSetting as error:
            log.error("pools_file_refused", reason=str(error))


def parse_pools(text: str, built_in: PoolSettings) -> FixedPools:
    """The settings in a file's text. Raises InvalidSetting, naming the key and what was expected."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"expected TOML: {error}") from error
    _known(document, "", ("default", "pools"))
    default = _settings(_table(document.get("default", {}), "default"), "default", built_in)
    named = _table(document.get("pools", {}), "pools")
    return FixedPools(
        default,
        {name: _settings(_table(one, f"pools.{name}"), f"pools.{name}", default) for name, one in named.items()},
    )


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path, built_in: PoolSettings) -> FixedPools:
    try:
        return parse_pools(path.read_text(encoding="utf-8"), built_in)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"SWARMING_POOLS_FILE: {path} cannot be read: {error}") from error
    except InvalidSetting as error:
        raise InvalidSetting(f"SWARMING_POOLS_FILE: {path}: {error}") from error


def _settings(table: Mapping[str, Any], path: str, default: PoolSettings) -> PoolSettings:
    _known(table, f"{path}.", tuple(_READERS))
    return replace(default, **{key: _READERS[key](value, f"{path}.{key}") for key, value in table.items()})


def _order(value: Any, path: str) -> Order:
    if value not in list(Order):
        raise InvalidSetting(f"{path}: expected {' or '.join(Order)}, got {value!r}")
    return Order(value)


def _integer(least: int, most: int | None = None) -> Callable[[Any, str], int]:
    words = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"

    def read(value: Any, path: str) -> int:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise InvalidSetting(f"{path}: expected {words}, got {value!r}")
        return value

    return read


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "order": _order,
    "task_retries": _integer(0, MAX_TASK_RETRIES),
    "max_pending": _integer(0),
}


def _table(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidSetting(f"{path}: expected a table, got {value!r}")
    return value


def _known(table: Mapping[str, Any], path: str, keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            raise InvalidSetting(f"{path}{key}: no such setting; expected {', '.join(keys)}")
