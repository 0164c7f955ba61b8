"""What people may upload for bots."""

from enum import StrEnum


class UploadKind(StrEnum):
    """A file that is kept in versions, counted from 1; version 0 stands for what is used when nothing is uploaded."""

    BOT_CONFIG = "bot_config"
    """Hooks: it goes into the zip that this installation builds."""

    BOOTSTRAP = "bootstrap"
    """What `/bootstrap` serves below a line with this installation's address."""

    BOT_ARCHIVE = "bot_archive"
    """A whole zip, served instead of the one that is built."""
