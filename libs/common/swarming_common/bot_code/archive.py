"""Bot archives: zips whose version is a hash over what is in them (bot-api.md section 10)."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from swarming_common.errors import InvalidInput

MAIN = "__main__.py"
HOOKS = "config/bot_config.py"
CONFIG = "config/config.json"

MAX_ARCHIVE_BYTES = 32 * 1024 * 1024
"""Of an uploaded archive; upstream's has about 1 MB, ours a tenth of it."""

MAX_UNPACKED_BYTES = 128 * 1024 * 1024
"""Of all its entries: a small zip may hold very much."""

_OLDEST_DATE = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip can write; the same in each, so that the same files make the same bytes."""

_READABLE_FILE = 0o644 << 16

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, OSError, NotImplementedError, RuntimeError)
"""What zipfile raises for a zip that is cut off, damaged, or packed in a way that it does not know."""


def version_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the entries sorted by name: for name and content each its length in decimal digits, then itself."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            digest.update(str(len(part)).encode())
            digest.update(part)
    return digest.hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files; the same files make the same zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _OLDEST_DATE)
            entry.external_attr = _READABLE_FILE
            entry.create_system = 3  # Unix, wherever this runs
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The files of a bot archive. Raises InvalidInput for anything that no bot could be started from."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check(entries)
            return {one.filename: archive.read(one) for one in entries}
    except _UNREADABLE as error:
        raise InvalidInput("body", f"expected a whole zip file ({error or type(error).__name__})") from error


def _check(entries: list[zipfile.ZipInfo]) -> None:
    names = [one.filename for one in entries]
    if MAIN not in names:
        raise InvalidInput("body", f"expected a bot archive, with {MAIN} in it")
    if len(set(names)) < len(names):
        raise InvalidInput("body", "expected no two files of one name in the zip")
    if any(one.flag_bits & 0x1 for one in entries):
        raise InvalidInput("body", "expected a zip without a password")
    if sum(one.file_size for one in entries) > MAX_UNPACKED_BYTES:
        raise InvalidInput("body", f"expected at most {MAX_UNPACKED_BYTES} bytes when unpacked")
