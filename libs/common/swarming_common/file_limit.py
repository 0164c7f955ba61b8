"""How many files and connections this process may have open."""

import resource


def raise_file_limit() -> int:
    """Take as many as the system grants without being asked twice; how many that is now.

    Many systems start a process with 1024, and each bot that waits is a connection.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS names no hard limit, and refuses to go without one
        return soft
    return hard
