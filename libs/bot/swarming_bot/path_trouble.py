"""Which failures of a path are the path's own, and not the machine's."""

from __future__ import annotations

import errno

# Something else is in the way, or no file system takes such a name.
_ERRORS = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ)


def is_path_trouble(error: OSError) -> bool:
    """Whether whoever chose the path has to choose another."""
    return error.errno in _ERRORS
