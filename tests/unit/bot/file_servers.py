"""Servers of files on loopback, as tasks name them in `data`."""

from __future__ import annotations

import contextlib
import io
import socket
import stat
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from swarming_bot.inputs import fetch_and_unpack
from swarming_bot.manifest import Input
from tests.unit.bot.scripted_server import PATIENCE_SECONDS


class FileServer:
    """Serves files from memory; a list of answers is served one after the other, a number is a status."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}
        self.requests: list[str] = []
        serving = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serving.requests.append(self.path)
                answer = serving.files.get(self.path, 404)
                if isinstance(answer, list):
                    answer = answer.pop(0)
                self.send_response(answer if isinstance(answer, int) else 200)
                body = b"" if isinstance(answer, int) else answer
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class SlowServer:
    """Says that much is to come, and sends `sends` again and again, or nothing."""

    def __init__(self) -> None:
        self.sends = b""
        self.heard = threading.Event()
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_SECONDS)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/in.zip"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                self.heard.set()
                while not self._over.wait(0.02):
                    connection.sendall(self.sends)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()


def zipped(content: dict[str, str], modes: dict[str, int] | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in content.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            entry.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def fetch(
    url: str,
    folder: Path,
    sha256: str | None = None,
    goes_on: Callable[[], bool] = lambda: True,
    until: float = float("inf"),
) -> None:
    """As a run that has this one input, and this folder as its own."""
    fetch_and_unpack(Input(url, "in.zip", sha256), str(folder), str(folder.parent / "scratch.zip"), goes_on, until)
