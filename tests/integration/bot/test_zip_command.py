"""The zip that a server builds, as a machine starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from swarming_botgateway.bot_code.build import build_zip, installed_package
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, Heard


def start(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built():
    return build_zip(installed_package("http://127.0.0.1:9"), b"")


@pytest.fixture
def archive(built, tmp_path: Path) -> Path:
    path = tmp_path / "swarming_bot.zip"
    path.write_bytes(built.content)
    return path


@pytest.mark.parametrize("command", ["version", "self_check", "is_fine"])
def test_it_knows_its_version_and_can_check_itself(built, archive, command):
    done = start(archive, command)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, built.version), done.stderr


@pytest.mark.parametrize("error", ["RuntimeError('not today')", "KeyboardInterrupt()"])
def test_hooks_that_raise_are_no_reason_to_refuse_the_code(tmp_path, error):
    built = build_zip(installed_package("http://127.0.0.1:9"), f"raise {error}\n".encode())
    path = tmp_path / "swarming_bot.zip"
    path.write_bytes(built.content)

    done = start(path, "self_check")

    assert done.returncode == 0
    assert f"the hooks cannot be loaded: {error}" in done.stdout
    assert done.stdout.splitlines()[-1] == built.version


def test_wrong_options_end_it_at_once(archive):
    done = start(archive, "start_bot", "--bots", "2")

    assert done.returncode == 2
    assert "a zip runs one bot" in done.stderr


@pytest.mark.parametrize("order", [("install-service", "--id", "box"), ("--id", "box", "install-service")])
def test_a_service_goes_to_whatever_address_its_zip_names(archive, order):
    done = start(archive, *order, "--print")

    assert done.returncode == 0
    assert f"{archive} --id box\n" in done.stdout
    assert list(archive.parent.iterdir()) == [archive]


def test_a_service_keeps_another_address_that_it_was_given(archive):
    done = start(archive, "install-service", "--server", "http://127.0.0.1:10", "--print")

    assert f"{archive} --server http://127.0.0.1:10\n" in done.stdout


def test_a_restart_is_one_of_the_process(server, tmp_path):
    archive = tmp_path / "swarming_bot.zip"
    archive.write_bytes(build_zip(installed_package(server.url), b"").content)
    supervisor = subprocess.Popen([sys.executable, str(archive), "--id", "box"], stderr=subprocess.DEVNULL)
    try:
        server.wait_for_call("poll")
        server.command({"cmd": "bot_restart", "message": "a leak"})
        again = server.wait_for_call("handshake", 2)
        server.wait_for_call("poll", 2)
    finally:
        supervisor.terminate()
        supervisor.wait(PATIENCE_SECONDS)

    assert process_of(again) != process_of(server.calls("handshake")[0])


def process_of(handshake: Heard) -> str:
    """The end of the session's id."""
    session: str = handshake.body["session_id"]
    return session.rpartition("/")[2]


def test_help_names_the_commands(archive):
    assert "start_bot" in start(archive, "--help").stdout
