"""Inputs that need a CAS or CIPD client, which this bot has not."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from swarming_bot.errors import BadManifest, InputsNotFetched


def refuse_foreign_inputs(raw: Mapping[str, Any]) -> None:
    """Raises InputsNotFetched if a manifest has any: a run without them would only look like the task's own failure."""
    cas, cipd = _missing_cas(raw.get("cas_input_root")), _missing_cipd(raw.get("cipd_input"))
    fields = [name for name, missing in (("cas_input_root", cas), ("cipd_input", cipd)) if missing]
    if fields:
        raise InputsNotFetched(
            f"{' and '.join(fields)}: this bot has no CAS or CIPD client and fetches nothing but `data`;"
            " the task needs a bot that has",
            {"missing_cas": cas, "missing_cipd": cipd},
        )


def _missing_cas(root: Any) -> List[Dict[str, str]]:
    if not root:
        return []
    instance, digest = (_field(root, name, "cas_input_root") for name in ("cas_instance", "digest"))
    content_hash, size = (_field(digest, name, "cas_input_root.digest") for name in ("hash", "size_bytes"))
    return [{"digest": f"{content_hash}/{size}", "instance": str(instance)}]


def _missing_cipd(cipd: Any) -> List[Dict[str, str]]:
    packages = (_field(cipd, "packages", "cipd_input") if cipd else None) or []
    if not isinstance(packages, list):
        raise BadManifest(f"cipd_input.packages: expected a list, got {packages!r}")
    return [_missing_package(one) for one in packages]


def _missing_package(package: Any) -> Dict[str, str]:
    return {name: str(_field(package, name, "cipd_input.packages")) for name in ("package_name", "path", "version")}


def _field(part: Any, name: str, where: str) -> Any:
    if not isinstance(part, dict) or name not in part:
        raise BadManifest(f"{where}: expected an object with {name}, got {part!r}")
    return part[name]
