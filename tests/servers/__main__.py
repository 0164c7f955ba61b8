"""Say where the tests will take their servers from, and fetch what is missing."""

import functools
import sys

from tests.servers.errors import ServerMissing
from tests.servers.kinds import KINDS
from tests.servers.sources import fetch_what_is_missing

try:
    fetch_what_is_missing(list(KINDS.values()), functools.partial(print, flush=True))
except ServerMissing as error:
    sys.exit(str(error))
