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
ROUNDS_WITH_PAUSES = 40


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


def measure(pause: float = 0.0) -> Yardstick:
    """Takes about half a second, or with pauses 120 of them.

    pause: seconds before each try. What comes after a pause finds the machine asleep and its caches cold, so a thing
    that is measured on an idle system wants a yardstick that is, too.
    """
    return Yardstick(disk=_disk(pause), process=_median(_process, pause), loopback=_loopback(pause))


def ms(seconds: float) -> str:
    """`1.23 ms`."""
    return f"{seconds * 1e3:.2f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _median(once: Callable[[], float], pause: float) -> float:
    times = []
    for _ in range(ROUNDS_WITH_PAUSES if pause else ROUNDS):
        time.sleep(pause)
        times.append(once())
    return percentile(times, 0.5)


def _disk(pause: float) -> float:
    with tempfile.NamedTemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        os.fsync(file.fileno())
        block = os.urandom(4096)

        def once() -> float:
            before = time.perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            return time.perf_counter() - before

        return _median(once, pause)


def _process() -> float:
    before = time.time()
    stamped = subprocess.run(["date", "+%s.%N"], capture_output=True, check=True).stdout
    return float(stamped) - before


def _loopback(pause: float) -> float:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with socket.create_connection(listener.getsockname()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def once() -> float:
                before = time.perf_counter()
                connection.sendall(b"x")
                connection.recv(1)
                return time.perf_counter() - before

            return _median(once, pause)


def _echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while byte := connection.recv(1):
            connection.sendall(byte)
