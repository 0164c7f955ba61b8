"""What the properties of a slice may hold: the part of section 12 that concerns what is run, and where."""

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from urllib.parse import urldefrag, urlsplit

from swarming_common.errors import InvalidInput
from swarming_common.model.dimensions import Requirements, alternatives, is_valid_key, is_valid_value
from swarming_common.model.request import CasReference, CipdInput, CipdPackage, Input, TaskProperties

MAX_ARGUMENTS = 128
MAX_DIMENSION_KEYS = 32
MAX_VALUES_OF_A_KEY = 16
MAX_ALTERNATIVES = 8
MAX_ENV_KEYS = 64
MAX_ENV_KEY_LENGTH = 64
MAX_ENV_VALUE_LENGTH = 1024
MAX_GRACE_SECS = 3600
MAX_CACHES = 32
MAX_CACHE_NAME_LENGTH = 128
MAX_PATH_LENGTH = 256
MAX_INPUTS = 64
MAX_URL_LENGTH = 2048
MAX_PACKAGES = 64
MAX_PACKAGE_TEXT_LENGTH = 1024
MAX_OUTPUTS = 4096
MAX_OUTPUT_LENGTH = 512
MAX_CAS_TEXT_LENGTH = 1024  # the reference names none
CONTAINMENT_TYPES = ("NOT_SPECIFIED", "NONE", "AUTO", "JOB_OBJECT")

_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CACHE_NAME = re.compile(r"[a-z0-9_]+")
_DIGEST = re.compile(r"sha256=[0-9a-fA-F]{64}")
_INSTANCE_ID = re.compile(r"[0-9a-f]{40}|[A-Za-z0-9_-]{42,44}")


def expect(is_right: bool, field: str, expected: str) -> None:
    """Raise InvalidInput unless it is right; `expected` completes the sentence that begins with "expected"."""
    if not is_right:
        raise InvalidInput(field, f"expected {expected}")


def text_up_to(field: str, text: str, length: int, *, empty: bool = True) -> None:
    """Expect a text of at most so many characters."""
    expect(
        len(text) <= length and (empty or text != ""),
        field,
        f"a text of {0 if empty else 1} to {length} characters, got {len(text)}",
    )


@dataclass(frozen=True)
class SecondsRange:
    """Whole seconds from `least` to `most`."""

    least: int
    most: int

    def check(self, field: str, seconds: int, *, or_zero: bool = False) -> None:
        """Expect a number of seconds in this range, or 0 if that means none."""
        expect(
            self.least <= seconds <= self.most or (or_zero and seconds == 0),
            field,
            f"{'0 or ' if or_zero else ''}{self.least} to {self.most} seconds, got {seconds}",
        )


def check_properties(properties: TaskProperties, execution: SecondsRange, path: str) -> None:
    """Raise InvalidInput unless a user may ask for these; `path` stands before every field's name."""
    count = len(properties.command)
    expect(1 <= count <= MAX_ARGUMENTS, f"{path}command", f"1 to {MAX_ARGUMENTS} arguments, got {count}")
    check_dimensions(properties.dimensions, f"{path}dimensions")
    execution.check(f"{path}execution_timeout_secs", properties.execution_timeout_secs)
    execution.check(f"{path}io_timeout_secs", properties.io_timeout_secs, or_zero=True)
    SecondsRange(0, MAX_GRACE_SECS).check(f"{path}grace_period_secs", properties.grace_period_secs)
    if properties.relative_cwd is not None:
        _check_path(f"{path}relative_cwd", properties.relative_cwd, MAX_OUTPUT_LENGTH)
    expect(
        properties.containment_type in CONTAINMENT_TYPES,
        f"{path}containment.containment_type",
        f"one of {', '.join(CONTAINMENT_TYPES)}",
    )
    _check_env(properties, path)
    _check_caches(properties, f"{path}caches")
    _check_data(properties.data, f"{path}data")
    _check_outputs(properties.outputs, f"{path}outputs")
    if properties.cipd_input is not None:
        _check_cipd(properties.cipd_input, properties.idempotent, f"{path}cipd_input")
    if properties.cas_input_root is not None:
        _check_cas(properties.cas_input_root, f"{path}cas_input_root")


def check_dimensions(asked: Requirements, path: str) -> None:
    """Raise InvalidInput unless a task may ask for these, whichever they are (sections 8 and 12)."""
    keys = Counter(key for key, _ in asked)
    expect(len(keys) <= MAX_DIMENSION_KEYS, path, f"at most {MAX_DIMENSION_KEYS} keys, got {len(keys)}")
    for key, times in keys.items():
        expect(
            is_valid_key(key),
            _named(path, key),
            "a key of 1 to 64 letters, digits, '-', '_' and '.', no digit first",
        )
        expect(
            times <= MAX_VALUES_OF_A_KEY,
            _named(path, key),
            f"at most {MAX_VALUES_OF_A_KEY} values, got {times}",
        )
    for key, value in asked:
        expect(
            all(is_valid_value(one) for one in alternatives(value)),
            _named(path, key),
            "values of 1 to 256 characters, with no space around them, alternatives parted by '|'",
        )
    choices = prod(len(alternatives(value)) for _, value in asked)
    expect(choices <= MAX_ALTERNATIVES, path, f"at most {MAX_ALTERNATIVES} combinations of alternatives")


def _check_env(properties: TaskProperties, path: str) -> None:
    _check_env_keys([key for key, _ in properties.env], f"{path}env")
    for key, value in properties.env:
        text_up_to(_named(f"{path}env", key), value, MAX_ENV_VALUE_LENGTH)
    _check_env_keys([one.key for one in properties.env_prefixes], f"{path}env_prefixes")
    for prefix in properties.env_prefixes:
        field = _named(f"{path}env_prefixes", prefix.key)
        expect(len(prefix.values) > 0, field, "at least one path")
        for value in prefix.values:
            _check_path(field, value, MAX_ENV_VALUE_LENGTH)


def _check_env_keys(keys: Sequence[str], path: str) -> None:
    expect(len(keys) <= MAX_ENV_KEYS, path, f"at most {MAX_ENV_KEYS} keys, got {len(keys)}")
    for key, times in Counter(keys).items():
        expect(
            len(key) <= MAX_ENV_KEY_LENGTH and _ENV_KEY.fullmatch(key) is not None,
            _named(path, key),
            f"a key of 1 to {MAX_ENV_KEY_LENGTH} letters, digits and '_', no digit first",
        )
        expect(times == 1, _named(path, key), "each key once")


def _check_caches(properties: TaskProperties, path: str) -> None:
    caches = properties.caches
    expect(len(caches) <= MAX_CACHES, path, f"at most {MAX_CACHES} caches, got {len(caches)}")
    for number, cache in enumerate(caches):
        expect(
            len(cache.name) <= MAX_CACHE_NAME_LENGTH and _CACHE_NAME.fullmatch(cache.name) is not None,
            f"{path}[{number}].name",
            f"1 to {MAX_CACHE_NAME_LENGTH} lower-case letters, digits and '_'",
        )
        _check_path(f"{path}[{number}].path", cache.path, MAX_PATH_LENGTH)
    expect(len({one.name for one in caches}) == len(caches), path, "caches with different names")
    expect(len({one.path for one in caches}) == len(caches), path, "caches with different paths")


def _check_data(data: Sequence[Input], path: str) -> None:
    expect(len(data) <= MAX_INPUTS, path, f"at most {MAX_INPUTS} inputs, got {len(data)}")
    for number, one in enumerate(data):
        text_up_to(f"{path}[{number}].file", one.file, MAX_PATH_LENGTH)
        text_up_to(f"{path}[{number}].url", one.url, MAX_URL_LENGTH, empty=False)
        expect(_is_url(one.url), f"{path}[{number}].url", "an http or https URL with a host")
        fragment = urldefrag(one.url).fragment
        expect(
            not fragment or _DIGEST.fullmatch(fragment) is not None,
            f"{path}[{number}].url",
            "no fragment, or #sha256= with 64 hex digits",
        )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, brackets without a partner
        return False


def _check_outputs(outputs: Sequence[str], path: str) -> None:
    expect(len(outputs) <= MAX_OUTPUTS, path, f"at most {MAX_OUTPUTS} outputs, got {len(outputs)}")
    for number, one in enumerate(outputs):
        _check_path(f"{path}[{number}]", one, MAX_OUTPUT_LENGTH)


def _check_cipd(cipd: CipdInput, idempotent: bool, path: str) -> None:
    packages = cipd.packages
    expect(
        1 <= len(packages) <= MAX_PACKAGES,
        f"{path}.packages",
        f"1 to {MAX_PACKAGES} packages, got {len(packages)}",
    )
    text_up_to(f"{path}.server", cipd.server, MAX_PACKAGE_TEXT_LENGTH)
    # Upstream's bot cannot start a task that lacks either.
    expect(cipd.server != "", f"{path}.server", "the URL of a server; this installation has no default")
    client = cipd.client_package
    expect(client is not None, f"{path}.client_package", "a package; this installation has no default")
    if client is not None:
        _check_package(client, f"{path}.client_package")
    for number, one in enumerate(packages):
        field = f"{path}.packages[{number}]"
        _check_package(one, field)
        expect(
            not idempotent or _is_pinned(one.version),
            f"{field}.version",
            "a pinned version (an instance id or a tag), since the task is idempotent",
        )
    places = {(one.path, one.package_name) for one in packages}
    expect(len(places) == len(packages), f"{path}.packages", "each package once in a path")


def _check_package(package: CipdPackage, field: str) -> None:
    text_up_to(f"{field}.package_name", package.package_name, MAX_PACKAGE_TEXT_LENGTH, empty=False)
    text_up_to(f"{field}.version", package.version, MAX_PACKAGE_TEXT_LENGTH, empty=False)
    if package.path:
        _check_path(f"{field}.path", package.path, MAX_PATH_LENGTH)


def _check_cas(reference: CasReference, path: str) -> None:
    text_up_to(f"{path}.cas_instance", reference.cas_instance, MAX_CAS_TEXT_LENGTH)
    text_up_to(f"{path}.digest.hash", reference.digest.hash, MAX_CAS_TEXT_LENGTH, empty=False)
    expect(reference.digest.size_bytes > 0, f"{path}.digest.size_bytes", "a positive number of bytes")


def _check_path(field: str, path: str, length: int) -> None:
    """Relative, with `/` only, normalised, and not upwards."""
    text_up_to(field, path, length, empty=False)
    is_right = (
        "\\" not in path
        and not path.startswith("/")
        and path != ".."
        and not path.startswith("../")
        and posixpath.normpath(path) == path
    )
    expect(is_right, field, "a relative path with '/' only, normalised and without '..'")


def _is_pinned(version: str) -> bool:
    return ":" in version or _INSTANCE_ID.fullmatch(version) is not None


def _named(path: str, key: str) -> str:
    return f"{path}[{key[:MAX_ENV_KEY_LENGTH]}]"
