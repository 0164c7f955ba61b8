"""What all servers can do: be cut off, refuse, come back."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import addresses
from tests.servers.instance import Instance
from tests.servers.kinds import Kind
from tests.servers.ports import free_port
from tests.servers.proxy import Proxy
from tests.servers.readiness import wait_until_it_answers


class Server(ABC):
    """A server that answers at `url`, which never changes and leads through a proxy of ours.

    All methods block; from a coroutine that must go on meanwhile, call them through `asyncio.to_thread`.
    """

    kind: Kind
    default_port: int

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._start()
        self._proxy = self._make_proxy(free_port(), *addresses.place(instance.url, self.default_port))
        self.url = addresses.at(instance.url, "127.0.0.1", self._proxy.port)

    @abstractmethod
    def ask(self) -> None:
        """Ask the server something, past the proxy; raises whatever it raises if there is no answer."""

    @abstractmethod
    def version(self) -> str:
        """The version of the server."""

    @property
    def direct_url(self) -> str:
        """Without the proxy, for measurements; nothing is cut or refused there, but a restart may change it."""
        return self._instance.url

    @property
    def described(self) -> str:
        """What it is and where it came from, for the summary of the run."""
        return f"{self.kind.title} {self.version()}: {self._instance.provided}"

    def cut_connections(self) -> int:
        """Drop all live connections; new ones are accepted. Returns how many were dropped."""
        return self._proxy.cut()

    def refuse(self) -> int:
        """Drop all live connections and refuse new ones until `resume`; returns how many were dropped."""
        return self._proxy.refuse()

    def freeze(self) -> None:
        """Pass nothing on until `resume`, with all connections open: what a lost network looks like."""
        self._proxy.freeze()

    def resume(self) -> None:
        """Be reachable again. Repeats safely."""
        self._proxy.resume()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The server is away while the block runs."""
        self.refuse()
        try:
            yield
        finally:
            self.resume()

    def restart(self) -> None:
        """Kill the server and start it again with what it had stored; returns when it answers.

        One at a given address is not ours: there, only its connections are dropped.
        """
        if not self._instance.is_ours:
            self.cut_connections()
            return
        with self.away():
            self._instance.kill()
            self._start_again()

    def close(self) -> None:
        """End what was started for it."""
        self._proxy.close()
        self._instance.close()

    def _make_proxy(self, port: int, server_host: str, server_port: int) -> Proxy:
        return Proxy(port, server_host, server_port)

    def _start_empty(self) -> None:
        """Kill the server and start it with nothing stored."""
        self._instance.kill()
        self._instance.wipe()
        self._start_again()

    def _start_again(self) -> None:
        self._start()
        self._proxy.aim(*addresses.place(self._instance.url, self.default_port))

    def _start(self) -> None:
        self._instance.start()
        wait_until_it_answers(self._instance, self.ask)
