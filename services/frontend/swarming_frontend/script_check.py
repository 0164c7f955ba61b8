"""Is this text a Python program? What does not compile never reaches a bot. Nothing of it is run here.

It is this process's Python that is asked. A bot with an older one that does not understand the text says so and is in
quarantine until there is another.
"""

import json
import warnings
from collections.abc import Mapping

from swarming_common.bot_code.archive import CONFIG, HOOKS, MAIN
from swarming_common.bot_code.defaults import bootstrap_script
from swarming_common.errors import InvalidInput


def check_script(text: str, name: str, *, is_below_other_lines: bool) -> None:
    """Raises InvalidInput, naming the line. `is_below_other_lines`: whether assignments will be put above it."""
    if not text.strip():
        raise InvalidInput("content", "expected a Python script, not an empty text")
    _compile(text, name)
    if is_below_other_lines:
        try:
            _compile(bootstrap_script(text, "", ""), name)
        except InvalidInput as error:
            raise InvalidInput(
                "content", "expected no `from __future__ import`: the server puts lines above the script"
            ) from error


def check_archive(files: Mapping[str, bytes]) -> None:
    """Raises InvalidInput, naming the entry, for an archive whose start, hooks or config no bot could read."""
    for name in (MAIN, HOOKS):
        if name in files:
            _compile(files[name], name, "body")
    try:
        config = json.loads(files.get(CONFIG, b"{}"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput("body", f"expected JSON in {CONFIG} ({error})") from error
    if not isinstance(config, dict):
        raise InvalidInput("body", f"expected a JSON object in {CONFIG}")


def _compile(text: str | bytes, name: str, field: str = "content") -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a strange escape is the author's business
            compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()[:200]
        shown = f" in {line!r}" if line else ""
        where = f" in {name}" if field == "body" else ""
        raise InvalidInput(field, f"expected Python{where}; line {error.lineno}: {error.msg}{shown}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise InvalidInput(field, f"expected Python ({error or type(error).__name__})") from error
