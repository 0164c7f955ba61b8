"""A place for runs whose paths are short: a Unix socket below a task's folders needs room for its name.

The system allows 108 bytes for a socket's whole path (104 on macOS). A long home or a long bot id would use them up.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat

log = logging.getLogger(__name__)

SHORT_PLACES = ("/var/tmp", "/tmp")
RUN_BYTES = len("/7c2236638dbfed11/task")
LONGEST_FOLDER_BYTES = 44
"""Of the folder that holds the runs: at least 40 bytes are left for a socket's path below a task's folders."""


def runs_folder(bot_folder: str) -> str:
    """Where the runs of the bot with this folder live. The same at each call, and on the same disk, since caches are
    moved to runs and back. The bot's own folder where it is short enough, or where no short place is to be had."""
    own = os.path.join(bot_folder, "runs")
    if len(os.fsencode(own)) <= LONGEST_FOLDER_BYTES:
        return own
    name = hashlib.sha256(os.fsencode(bot_folder)).hexdigest()[:12]
    for place in SHORT_PLACES:
        path = os.path.join(place, f"swarming-{os.getuid()}-{name}")
        if _is_usable(place, path, bot_folder):
            return path
    log.warning("run_folders_long path=%s", own)
    return own


def _is_usable(place: str, path: str, bot_folder: str) -> bool:
    """Make the folder, unless it is there. One that somebody else made is not ours, nor is a link."""
    try:
        if os.stat(place).st_dev != os.stat(bot_folder).st_dev:
            return False
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o022
