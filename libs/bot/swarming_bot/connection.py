"""One HTTP/1.1 keep-alive connection: a request leaves in one packet, and nothing is buffered twice."""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass
from typing import Callable, Dict, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from swarming_bot.errors import BadReply
from swarming_bot.proxies import Proxy, proxy_for
from swarming_bot.tls import tls_context

CONNECT_TIMEOUT_SECONDS = 10.0
LARGEST_RESPONSE_BYTES = 64 * 1024 * 1024  # a manifest is a few kB; this only bounds harm
RECEIVE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Response:
    """One answer of the server."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Connection:
    """A connection to one server, opened when first needed and again when it was lost.

    Used by one thread at a time; only `interrupt` may come from another. It goes through the proxy that the environment
    names (proxies.py). Raises ValueError for a proxy that cannot be used.
    """

    def __init__(self, server_url: str, headers: Mapping[str, str]) -> None:
        url = urlsplit(server_url)
        self._is_tls = url.scheme == "https"
        self._host = url.hostname or "localhost"
        self._port = url.port or (443 if self._is_tls else 80)
        self._proxy = proxy_for(server_url)
        netloc = url.netloc.rpartition("@")[2]
        fixed = {"Host": netloc, "Accept": "application/json", **headers}
        self._target = url.path.rstrip("/")  # in front of each path
        if self._proxy is not None and not self._is_tls:
            self._target = f"http://{netloc}{self._target}"
            if self._proxy.authorization:
                fixed["Proxy-Authorization"] = self._proxy.authorization
        self._fixed_headers = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
        self._socket: Optional[socket.socket] = None
        self._is_interruptible = False
        self._response_began = False
        self.more_headers: Callable[[], str] = lambda: ""  # lines, each with its end; asked for each request

    def post(
        self,
        path: str,
        body: bytes,
        read_timeout: float,
        meanwhile: Optional[Callable[[], None]] = None,
        give_up: Optional[Callable[[], bool]] = None,
    ) -> Response:
        """Send a request and return the answer; OSError when there is none.

        path: below the server's URL, with a leading slash.
        read_timeout: seconds to wait for the next bytes of the answer.
        meanwhile: called once, when the request has left and before the answer is read.
        give_up: makes the call one that `interrupt` ends; asked once more before anything is sent.
        """
        work = _Once(meanwhile)
        self._is_interruptible = give_up is not None
        try:
            is_reused = self._is_still_open()
            try:
                return self._exchange(path, body, read_timeout, work, give_up)
            except ConnectionError:
                # The server closed the kept-alive connection while our request was on its way. Every call
                # of the protocol may arrive twice, so it is sent again at once.
                if not is_reused or self._response_began or (give_up is not None and give_up()):
                    raise
                self.close()
                return self._exchange(path, body, read_timeout, work, give_up)
        except BaseException:
            self.close()
            raise
        finally:
            self._is_interruptible = False

    def interrupt(self) -> None:
        """End the interruptible call under way, if there is one, by cutting the connection."""
        current = self._socket
        if self._is_interruptible and current is not None:
            with contextlib.suppress(OSError):
                current.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        current, self._socket = self._socket, None
        if current is not None:
            with contextlib.suppress(OSError):
                current.close()

    def _exchange(
        self,
        path: str,
        body: bytes,
        read_timeout: float,
        work: _Once,
        give_up: Optional[Callable[[], bool]],
    ) -> Response:
        self._response_began = False
        current = self._socket or self._open()
        # After the socket is there to be cut and before waiting on it: no interrupt falls in between.
        if give_up is not None and give_up():
            raise ConnectionAbortedError("interrupted before the request was sent")
        current.settimeout(read_timeout)
        head = (
            f"POST {self._target}{path} HTTP/1.1\r\n{self._fixed_headers}{self.more_headers()}"
            f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        current.sendall(head.encode("latin-1", "replace") + body)
        work.do()
        return self._receive(current)

    def _open(self) -> socket.socket:
        proxy = self._proxy
        address = (self._host, self._port) if proxy is None else (proxy.host, proxy.port)
        opened = socket.create_connection(address, CONNECT_TIMEOUT_SECONDS)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_tls:
                if proxy is not None:
                    self._open_tunnel(opened, proxy)
                # Anew for each connection: certificates are renewed while a bot runs.
                opened = tls_context().wrap_socket(opened, server_hostname=self._host)
        except BaseException:
            opened.close()
            raise
        self._socket = opened
        return opened

    def _open_tunnel(self, opened: socket.socket, proxy: Proxy) -> None:
        """Have the proxy connect to the server. Raises BadReply if it does not."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        head = f"CONNECT {host}:{self._port} HTTP/1.1\r\nHost: {host}:{self._port}\r\n{authorization}\r\n"
        opened.sendall(head.encode("latin-1", "replace"))
        # The server speaks only after the client in TLS, so nothing follows this head.
        buffer = bytearray()
        end = self._read_until(opened, buffer, b"\r\n\r\n")
        status, _ = _parse_head(bytes(buffer[:end]))
        self._response_began = False
        if not 200 <= status < 300:
            raise BadReply(f"the proxy {proxy.address} answers HTTP {status}")

    def _is_still_open(self) -> bool:
        """Drop a connection that the server closed while it was idle; say whether one is left."""
        if self._socket is None:
            return False
        # TLS may have session tickets waiting, so there readable does not mean closed.
        if not self._is_tls:
            poller = select.poll()
            poller.register(self._socket, select.POLLIN)
            if poller.poll(0):
                self.close()
        return self._socket is not None

    def _receive(self, current: socket.socket) -> Response:
        buffer = bytearray()
        while True:
            end = self._read_until(current, buffer, b"\r\n\r\n")
            status, headers = _parse_head(bytes(buffer[:end]))
            del buffer[: end + 4]
            if status >= 200:
                break
        body = self._receive_body(current, buffer, status, headers)
        if "close" in headers.get("connection", "").lower():
            self.close()
        return Response(status, headers, body)

    def _receive_body(
        self, current: socket.socket, buffer: bytearray, status: int, headers: Mapping[str, str]
    ) -> bytes:
        if status in (204, 304):
            return b""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._receive_chunks(current, buffer)
        length = headers.get("content-length")
        if length is None:
            return self._receive_rest(current, buffer)
        if not length.isdigit():
            raise BadReply(f"a Content-Length of {length!r}")
        self._read_bytes(current, buffer, int(length))
        return bytes(buffer[: int(length)])

    def _receive_chunks(self, current: socket.socket, buffer: bytearray) -> bytes:
        body = bytearray()
        while True:
            end = self._read_until(current, buffer, b"\r\n")
            try:
                size = int(bytes(buffer[:end]).partition(b";")[0], 16)
            except ValueError as error:
                raise BadReply("a chunk without a size") from error
            del buffer[: end + 2]
            if size == 0:
                break
            self._read_bytes(current, buffer, size + 2)
            body += buffer[:size]
            del buffer[: size + 2]
        while self._read_until(current, buffer, b"\r\n"):  # trailers, up to an empty line
            del buffer[: buffer.index(b"\r\n") + 2]
        return bytes(body)

    def _receive_rest(self, current: socket.socket, buffer: bytearray) -> bytes:
        while True:
            received = current.recv(RECEIVE_BYTES)
            if not received:
                self.close()
                return bytes(buffer)
            buffer += received

    def _read_until(self, current: socket.socket, buffer: bytearray, mark: bytes) -> int:
        while True:
            at = buffer.find(mark)
            if at >= 0:
                return at
            self._read_bytes(current, buffer, len(buffer) + 1)

    def _read_bytes(self, current: socket.socket, buffer: bytearray, wanted: int) -> None:
        if wanted > LARGEST_RESPONSE_BYTES:
            raise BadReply("a response too large to be true")
        while len(buffer) < wanted:
            received = current.recv(RECEIVE_BYTES)
            if not received:
                raise ConnectionResetError("the server closed the connection before it had answered")
            self._response_began = True
            buffer += received


class _Once:
    def __init__(self, work: Optional[Callable[[], None]]) -> None:
        self._work = work

    def do(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


def _parse_head(head: bytes) -> Tuple[int, Dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise BadReply(f"{first[:80]!r} instead of an HTTP status line")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(parts[1]), headers
