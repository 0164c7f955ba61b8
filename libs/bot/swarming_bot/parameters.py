"""Replaces `${…}` in a task's arguments and environment, as upstream's bot does."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Dict, Optional

OUTPUT_FOLDER = "${ISOLATED_OUTDIR}"
EXECUTABLE_SUFFIX = "${EXECUTABLE_SUFFIX}"
BOT_FILE = "${SWARMING_BOT_FILE}"


class Parameters:
    """What they stand for in one run. A folder or a file that is named is made when it is first needed."""

    def __init__(self, folder: str, describe_bot: Callable[[], Dict[str, Any]]) -> None:
        """folder: the run's. describe_bot: what a task may know of its bot; written to the bot file as JSON."""
        self._folder = folder
        self._describe_bot = describe_bot
        self._output_folder: Optional[str] = None
        self._bot_file: Optional[str] = None

    def replace_in(self, text: str) -> str:
        """The text with each of them replaced; everything else stays, also another `${…}`."""
        if "${" not in text:
            return text
        text = text.replace(EXECUTABLE_SUFFIX, ".exe" if sys.platform == "win32" else "")
        if OUTPUT_FOLDER in text:
            text = text.replace(OUTPUT_FOLDER, self._make_output_folder())
        if BOT_FILE in text:
            text = text.replace(BOT_FILE, self._write_bot_file())
        return text

    def _make_output_folder(self) -> str:
        """A folder of its own. What is left in it goes with the run: this bot has no CAS to store it in."""
        if self._output_folder is None:
            path = os.path.join(self._folder, "out")
            os.mkdir(path)
            self._output_folder = path
        return self._output_folder

    def _write_bot_file(self) -> str:
        if self._bot_file is None:
            path = os.path.join(self._folder, "bot.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._describe_bot(), file)
            self._bot_file = path
        return self._bot_file
