"""An HTTP proxy as companies have them: forwards plain requests, tunnels TLS by CONNECT, may want a password."""

from __future__ import annotations

import base64
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.servers.ports import free_port

NAME = "swarming.test"
"""A host that only the proxy knows: it is this machine's loopback."""

IDLE_SECONDS = 60.0


class ForwardProxy:
    """On a port of 127.0.0.1. `requests` are the request lines it was sent, `refuse` is a status to answer
    all with."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None
        self.requests: list[str] = []
        self.refuse: int | None = None
        self.has_refused = threading.Event()
        self._http = _Listener(("127.0.0.1", free_port()), self)
        self.address = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], proxy: ForwardProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_CONNECT(self) -> None:
        if self._is_refused():
            return
        host, _, port = self.path.rpartition(":")
        with _connect(host, int(port)) as there:
            self.send_response(200, "Connection established")
            self.end_headers()
            self._pass_on(there)
        self.close_connection = True

    def do_POST(self) -> None:
        if self._is_refused():
            return
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        headers["Connection"] = "close"
        path = url.path + (f"?{url.query}" if url.query else "")
        lines = [f"{self.command} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with _connect(url.hostname or "", url.port or 80) as there:
            there.sendall("\r\n".join(lines).encode("latin-1") + body)
            while piece := there.recv(65536):
                self.wfile.write(piece)
        self.close_connection = True

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _is_refused(self) -> bool:
        proxy = self.server.proxy
        proxy.requests.append(self.requestline)
        status = proxy.refuse
        if proxy.expected is not None and self.headers.get("Proxy-Authorization") != proxy.expected:
            status = 407
        if status is None:
            return False
        proxy.has_refused.set()
        page = b"<html>not through here</html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page)
        return True

    def _pass_on(self, there: socket.socket) -> None:
        here = self.connection
        other = {here: there, there: here}
        while True:
            for one in select.select([here, there], [], [], IDLE_SECONDS)[0] or [here]:
                try:
                    piece = one.recv(65536)
                    other[one].sendall(piece)
                except OSError:
                    return
                if not piece:
                    return


def _connect(host: str, port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1" if host == NAME else host.strip("[]"), port))
