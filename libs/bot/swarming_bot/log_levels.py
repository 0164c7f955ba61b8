"""The level between a warning and chatter: what a person at the terminal wants to see without asking."""

from __future__ import annotations

import logging

NOTICE = logging.WARNING - 5
logging.addLevelName(NOTICE, "NOTICE")
