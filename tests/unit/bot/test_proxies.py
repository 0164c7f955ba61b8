"""The way to the server: through proxies, with certificates, to IPv6 addresses."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator

import pytest

from swarming_bot.connection import Connection
from swarming_bot.download import Download
from swarming_bot.errors import UnusableCertificates
from swarming_bot.proxies import new_opener, parse_proxy, proxy_for
from swarming_bot.settings import fleet_settings
from swarming_bot.tls import tls_context
from tests.servers.certificates import make_certificate, server_context
from tests.servers.forward_proxy import NAME, ForwardProxy
from tests.unit.bot.bots import bots_that_stop
from tests.unit.bot.file_servers import FileServer
from tests.unit.bot.scripted_server import DROP, PATIENCE_SECONDS, ScriptedServer

USER, PASSWORD = "us er", "p@ss:w/ord"
QUOTED = "us%20er:p%40ss%3Aw%2Ford"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    one = ForwardProxy(USER, PASSWORD)
    yield one
    one.close()


def runs_a_task(server: ScriptedServer) -> None:
    server.run("sh", "-c", "echo hello; exit 3")
    assert server.wait_for_final().body["exit_code"] == 3
    assert server.output() == b"hello\n"


def test_a_bot_reaches_its_server_through_a_proxy_that_wants_a_password(server, start_bots, proxy, monkeypatch, caplog):
    monkeypatch.setenv("http_proxy", f"http://{QUOTED}@{proxy.address}")
    caplog.set_level("DEBUG")

    start_bots(url=f"http://{NAME}:{server.port}")

    runs_a_task(server)
    assert server.heard[0].headers["Host"] == f"{NAME}:{server.port}"
    assert "Proxy-Authorization" not in server.heard[0].headers
    assert proxy.requests[0].startswith(f"POST http://{NAME}:{server.port}/swarming/api/v1/bot/handshake ")
    assert "ss:w" not in caplog.text
    assert "p%40ss" not in caplog.text


def test_a_bot_reaches_a_server_with_tls_through_a_proxy_and_proves_who_it_is(tmp_path, proxy, monkeypatch):
    ours, theirs = make_certificate(tmp_path, "bot"), make_certificate(tmp_path, "server")
    monkeypatch.setenv("https_proxy", f"{QUOTED}@{proxy.address}")
    monkeypatch.setenv("SWARMING_CA_FILE", theirs.certificate)
    monkeypatch.setenv("SWARMING_CLIENT_CERT", ours.certificate)
    monkeypatch.setenv("SWARMING_CLIENT_KEY", ours.key)
    server = ScriptedServer(tls=server_context(theirs, ours))
    try:
        with bots_that_stop(server, tmp_path) as start:
            start(url=f"https://{NAME}:{server.port}")
            runs_a_task(server)
    finally:
        server.close()
    assert set(proxy.requests) == {f"CONNECT {NAME}:{server.port} HTTP/1.1"}


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SWARMING_CA_FILE"])
def test_a_bot_joins_a_server_at_an_ipv6_address_with_a_certificate_of_a_private_ca(tmp_path, monkeypatch, variable):
    theirs = make_certificate(tmp_path, "server")
    monkeypatch.setenv(variable, theirs.certificate)
    server = ScriptedServer("::1", server_context(theirs))
    try:
        with bots_that_stop(server, tmp_path) as start:
            start()
            runs_a_task(server)
            assert server.heard[0].headers["Host"] == f"[::1]:{server.port}"
    finally:
        server.close()


def test_a_server_with_a_certificate_that_nobody_vouches_for_is_not_spoken_to(tmp_path):
    server = ScriptedServer(tls=server_context(make_certificate(tmp_path, "server")))
    try:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            Connection(server.url, {}).post("/", b"{}", PATIENCE_SECONDS)
    finally:
        server.close()
    assert server.heard == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_during_a_run_is_waited_out(tmp_path, proxy, monkeypatch, scheme):
    theirs = make_certificate(tmp_path, "server")
    monkeypatch.setenv("SWARMING_CA_FILE", theirs.certificate)
    monkeypatch.setenv(f"{scheme}_proxy", f"{QUOTED}@{proxy.address}")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = ScriptedServer(tls=server_context(theirs) if scheme == "https" else None)
    # A tunnel stands once it was opened, so there the connection is cut, too.
    server.answer = lambda heard: DROP if proxy.refuse is not None else None
    try:
        with bots_that_stop(server, tmp_path) as start:
            start(url=f"{scheme}://{NAME}:{server.port}")
            server.run("sh", "-c", f"read line < {fifo}; exit 3")
            server.wait_for_call("task_update")
            proxy.refuse = 403
            assert proxy.has_refused.wait(PATIENCE_SECONDS)
            proxy.refuse = None
            fifo.write_text("go on\n")

            assert server.wait_for_final().body["exit_code"] == 3
            assert server.calls("task_error") == []
            assert len(server.calls("handshake")) == 1
    finally:
        server.close()


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        ("", "http://build.example.org/", False),
        ("*", "http://build.example.org/", True),
        ("example.org", "http://build.example.org/", True),
        (".example.org", "http://build.example.org:8080/", True),
        ("ample.org", "http://build.example.org/", False),
        ("other, BUILD.example.org", "http://build.example.org/", True),
        ("example.org:8080", "http://build.example.org:8080/", True),
        ("example.org:8080", "http://build.example.org/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("fd00::1", "http://[fd00::1]:8080/", True),
        ("[fd00::1]", "http://[fd00::1]:8080/", True),
        ("[fd00::1]:80", "http://[fd00::1]:8080/", False),
        ("fd00::/8", "http://[fd00::2]/", True),
        ("", "http://localhost:8080/", True),
        ("", "http://127.0.0.1/", True),
        ("", "http://[::1]:8080/", True),
        ("", "https://build.example.org/", True),  # nothing is said of https
    ],
)
def test_no_proxy_names_what_is_reached_directly(monkeypatch, no_proxy, url, is_direct):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)

    assert (proxy_for(url) is None) is is_direct


def test_all_proxy_is_for_what_no_other_variable_names(monkeypatch):
    monkeypatch.setenv("all_proxy", "http://[fd00::5]:3128")
    monkeypatch.setenv("https_proxy", "proxy")

    assert str(proxy_for("http://build.example.org/")) == "Proxy([fd00::5]:3128)"
    assert str(proxy_for("https://build.example.org/")) == "Proxy(proxy:80)"


@pytest.mark.parametrize(
    "address", ["socks5://u:secret@p:1", "http://u:secret@p:port", "http://u:secret@", "https://p"]
)
def test_a_proxy_that_cannot_be_used_is_refused_at_the_start_without_its_password(monkeypatch, address):
    monkeypatch.setenv("https_proxy", address)

    with pytest.raises(ValueError, match="http_proxy or https_proxy") as refusal:
        fleet_settings("http://build.example.org", 1, {})

    assert "secret" not in str(refusal.value)


def test_what_a_proxy_says_of_itself_has_no_password():
    assert "secret" not in f"{parse_proxy('http://user:secret@proxy:3128')!r}"


@pytest.mark.parametrize("variable", ["SWARMING_CA_FILE", "SWARMING_CLIENT_CERT"])
def test_a_certificate_that_cannot_be_read_is_named(monkeypatch, tmp_path, variable):
    (tmp_path / "bad.pem").write_text("no certificate")
    monkeypatch.setenv(variable, str(tmp_path / "bad.pem"))

    with pytest.raises(UnusableCertificates, match=variable):
        tls_context()


def test_inputs_and_code_come_through_the_proxy_too(proxy, monkeypatch):
    monkeypatch.setenv("http_proxy", f"{QUOTED}@{proxy.address}")
    files = FileServer()
    files.files["/in.zip"] = b"content"
    try:
        url = files.url.replace("127.0.0.1", NAME) + "/in.zip"
        digest = Download(url, io.BytesIO()).wait(lambda: True)
        with new_opener().open(url) as answer:
            assert answer.read() == b"content"
    finally:
        files.close()
    assert digest == hashlib.sha256(b"content").hexdigest()
    assert proxy.requests == [f"GET {url} HTTP/1.1"] * 2
