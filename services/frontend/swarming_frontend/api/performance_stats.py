"""What a run cost its bot besides the process: PerformanceStats of client-api-v1.md section 3, from what the bot said
of it in its final update. What it said is free in form, so what cannot be read stays away."""

from collections.abc import Mapping
from typing import Any

from swarming_frontend.api.encoding import Json, integer, present
from swarming_frontend.api.packed_integers import unpack

LAST_INTEGER = 2**63 - 1


def performance_stats(details: Mapping[str, Any]) -> Json | None:
    """The stats in a run's details; None when there are none."""
    isolated, caches = _object(details, "isolated_stats"), _object(details, "named_caches_stats")
    stats = present(
        bot_overhead=_seconds(details.get("bot_overhead")),
        isolated_download=_transfer(_object(isolated, "download")),
        isolated_upload=_transfer(_object(isolated, "upload")),
        package_installation=_duration(_object(details, "cipd_stats")),
        cache_trim=_duration(_object(details, "cache_trim_stats")),
        named_caches_install=_duration(_object(caches, "install")),
        named_caches_uninstall=_duration(_object(caches, "uninstall")),
        cleanup=_duration(_object(details, "cleanup_stats")),
    )
    return stats or None


def _transfer(said: Mapping[str, Any]) -> Json | None:
    stats = present(
        duration=_seconds(said.get("duration")),
        initial_number_items=_count(said.get("initial_number_items")),
        initial_size=_count(said.get("initial_size")),
        **_sizes("items_cold", said.get("items_cold")),
        **_sizes("items_hot", said.get("items_hot")),
    )
    return stats or None


def _sizes(name: str, packed: Any) -> Json:
    """The packed sizes of files as they came, how many there are, and their sum."""
    sizes = unpack(packed) if isinstance(packed, str) else None
    if sizes is None or sum(sizes) > LAST_INTEGER:
        return {}
    return {name: packed, f"num_{name}": str(len(sizes)), f"total_bytes_{name}": str(sum(sizes))}


def _duration(said: Mapping[str, Any]) -> Json | None:
    return present(duration=_seconds(said.get("duration"))) or None


def _object(details: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = details.get(name)
    return found if isinstance(found, dict) else {}


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LAST_INTEGER
    return float(value) if is_number else None


def _count(value: Any) -> str | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_INTEGER
    return integer(value) if is_count else None
