"""Free ports that nobody takes while a server restarts."""

import itertools
import os
import socket

_LOWEST, _BLOCK, _BLOCKS = 20_000, 100, 120
# Below the range from which the system takes the near end of outgoing connections: else one of them could sit on our
# port while its server is down, or a client that tries again and again could connect to itself. Each process has a
# block of its own, since some time passes between the choice of a port and its use.
_first = _LOWEST + (os.getpid() % _BLOCKS) * _BLOCK
_candidates = itertools.cycle(range(_first, _first + _BLOCK))


def free_port() -> int:
    """A port of the local host on which nobody listens, and which this process will not choose again soon."""
    for port in itertools.islice(_candidates, _BLOCK):
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {_first} to {_first + _BLOCK - 1}")
