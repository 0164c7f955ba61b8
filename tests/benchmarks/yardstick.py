"""What this machine can do at this minute, to read the figures of a benchmark by."""

import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Medians, in seconds."""

    disk: float
    """Write 4 KiB at a file's place and wait until they are on disk."""
    process: float
    """From asking for a process to the time that the process stamps."""
    loopback: float
    """A byte there and back over TCP."""

    @property
    def start(self) -> float:
        """What starting one task cannot do without: two commits, three calls over the network, one process."""
        return 2 * self.disk + 3 * self.loopback + self.process

    def lines(self) -> list[str]:
        """For people."""
        parts = f"disk {ms(self.disk)}, loopback {ms(self.loopback)}, process {ms(self.process)}"
        return [f"yardstick of this minute: {parts}; 2 disk + 3 loopback + 1 process = {ms(self.start)}"]


def measure() -> Yardstick:
    """Takes about half a second."""
    return Yardstick(disk=_disk(), process=_median(_process), loopback=_loopback())


def ms(seconds: float) -> str:
    """`1.23 ms`."""
    return f"{seconds * 1e3:.2f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _median(once: Callable[[], float]) -> float:
    return percentile([once() for _ in range(ROUNDS)], 0.5)


def _disk() -> float:
    with tempfile.NamedTemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        os.fsync(file.fileno())
        block = os.urandom(4096)

        def once() -> float:
            before = time.perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            return time.perf_counter() - before

        return _median(once)


def _process() -> float:
    before = time.time()
    stamped = subprocess.run(["date", "+%s.%N"], capture_output=True, check=True).stdout
    return float(stamped) - before


def _loopback() -> float:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with socket.create_connection(listener.getsockname()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def once() -> float:
                before = time.perf_counter()
                connection.sendall(b"x")
                connection.recv(1)
                return time.perf_counter() - before

            return _median(once)


def _echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while byte := connection.recv(1):
            connection.sendall(byte)
