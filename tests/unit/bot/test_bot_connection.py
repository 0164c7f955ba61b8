"""The connection, against a peer that sends exactly the bytes a test gives it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from swarming_bot.connection import Connection
from swarming_bot.errors import BadReply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """Accepts connections; for each, answers its requests with the given bytes and then closes it."""

    def __init__(self) -> None:
        self.scripts: list[list[bytes]] = []
        self.received: list[bytes] = []
        self.packets = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/prefix"
        self.closed = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            with accepted:
                for answer in self.scripts.pop(0):
                    self.received.append(accepted.recv(65536))
                    for part in answer.split(b"|"):
                        accepted.sendall(part)
            self.closed.release()


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.close()


@pytest.fixture
def connection(peer: Peer) -> Iterator[Connection]:
    one = Connection(peer.url, {"User-Agent": "test"})
    yield one
    one.close()


def test_head_and_body_leave_in_one_packet(peer, connection):
    peer.scripts = [[OK]]

    response = connection.post("/call", b'{"a":1}', 5)

    assert (response.status, response.body) == (200, b"{}")
    head, _, body = peer.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /prefix/call HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Type: application/json; charset=UTF-8" in head
    assert body == b'{"a":1}'


def test_one_connection_carries_many_calls(peer, connection):
    peer.scripts = [[OK, OK, OK]]

    statuses = [connection.post("/call", b"{}", 5).status for _ in range(3)]

    assert statuses == [200, 200, 200]


def test_an_answer_may_come_in_pieces_after_an_interim_one(peer, connection):
    peer.scripts = [[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 |OK\r\nContent-|Length: 4\r\n\r|\n{  |}"]]

    response = connection.post("/call", b"{}", 5)

    assert response.body == b"{  }"


def test_an_answer_may_come_in_chunks(peer, connection):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    peer.scripts = [[head + b"3;x=y\r\n{ \n|\r\n1\r\n}\r\n0\r\nTrailer: t\r\n\r\n", OK]]

    response = connection.post("/call", b"{}", 5)
    second = connection.post("/call", b"{}", 5)

    assert response.body == b"{ \n}"
    assert second.body == b"{}"


def test_an_answer_without_a_length_ends_with_the_connection(peer, connection):
    peer.scripts = [[b"HTTP/1.0 503 No\r\nContent-Type: text/plain\r\n\r\naway"]]

    response = connection.post("/call", b"{}", 5)

    assert (response.status, response.headers["content-type"], response.body) == (503, "text/plain", b"away")


def test_a_kept_connection_that_the_server_closed_is_replaced_unnoticed(peer, connection):
    peer.scripts = [[OK], [OK]]
    connection.post("/call", b"{}", 5)
    assert peer.closed.acquire(timeout=5)

    response = connection.post("/call", b"{}", 5)

    assert response.status == 200


def test_a_kept_connection_that_dies_under_a_request_is_replaced_once(peer, connection):
    peer.scripts = [[OK, b""], [OK]]
    done = []
    connection.post("/call", b"{}", 5)

    response = connection.post("/call", b"second", 5, meanwhile=lambda: done.append(1))

    assert response.status == 200
    assert [raw.endswith(b"second") for raw in peer.received] == [False, True, True]
    assert done == [1]


def test_an_answer_cut_short_is_an_error(peer, connection):
    peer.scripts = [[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]]

    with pytest.raises(ConnectionError):
        connection.post("/call", b"{}", 5)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_an_error(peer, connection, answer):
    peer.scripts = [[answer]]

    with pytest.raises(BadReply):
        connection.post("/call", b"{}", 5)


def test_a_call_that_should_stop_is_not_sent(peer, connection):
    peer.scripts = [[]]

    with pytest.raises(ConnectionAbortedError):
        connection.post("/call", b"{}", 5, give_up=lambda: True)

    assert peer.received == []
