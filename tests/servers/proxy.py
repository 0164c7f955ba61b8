"""The TCP proxy before each server: its address stays the same, whatever happens to the server.

It is a process of its own, so that a busy test does not slow down the traffic of the services that it watches.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.servers.errors import ServerFailed

# By its path: it starts quicker without our packages.
PROGRAM = [sys.executable, "-I", str(Path(__file__).with_name("proxy_process.py"))]


class Proxy:
    """Stands between the clients of a server and the server."""

    def __init__(self, port: int, server_host: str, server_port: int, *, notes_amqp_names: bool = False) -> None:
        self.port = port
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [*PROGRAM, str(port), server_host, str(server_port), *(["amqp"] if notes_amqp_names else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.resume()

    def resume(self) -> None:
        """Accept connections and pass on what comes."""
        self._order("resume")

    def refuse(self) -> int:
        """Drop all connections, and refuse new ones until `resume`; returns how many were dropped."""
        return int(self._order("refuse"))

    def cut(self) -> int:
        """Drop all connections; new ones are accepted. Returns how many were dropped."""
        return int(self._order("cut"))

    def freeze(self) -> None:
        """Keep all connections open and pass nothing on until `resume`."""
        self._order("freeze")

    def aim(self, server_host: str, server_port: int) -> None:
        """Lead new connections there from now on."""
        self._order(f"aim {server_host} {server_port}")

    def declared(self) -> list[tuple[str, str]]:
        """Kind ("queue", "exchange") and name of what clients declared since this was last asked."""
        return [(kind, name) for kind, name in self._order("declared")]

    def close(self) -> None:
        """End the proxy, with all connections."""
        self._process.communicate()

    def _order(self, command: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise ServerFailed("a proxy ended; its standard error says why")
        return json.loads(answer)
