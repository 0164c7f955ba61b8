"""The version of the bot's code: a hash over its files, so that other code has another version."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from typing import Dict, Mapping, Optional


def code_version() -> str:
    """The version of the code that runs now, whether from a zip or from a folder."""
    package = os.path.dirname(os.path.abspath(__file__))
    return zip_version(os.path.dirname(package)) or version_of(_files_of(package))


def zip_version(path: str) -> Optional[str]:
    """The version of the code in a zip; None for what is no whole zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return version_of({name: archive.read(name) for name in archive.namelist()})
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError):
        return None


def version_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the entries sorted by name: of name and content each the length in decimal digits, then itself."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            digest.update(str(len(part)).encode())
            digest.update(part)
    return digest.hexdigest()


def _files_of(package: str) -> Dict[str, bytes]:
    files = {}
    for name in os.listdir(package):
        if name.endswith(".py"):
            with open(os.path.join(package, name), "rb") as file:
                files[f"{os.path.basename(package)}/{name}"] = file.read()
    return files
