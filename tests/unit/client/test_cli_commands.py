"""How the `swarming` command finds its subcommands, and what a broken one does to the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.scripted_server import ScriptedServer, a_finished_task

Swarming = Callable[..., Any]

GOOD = """
HELP = "greet"
def configure(parser):
    parser.add_argument("--server", default="nobody")
def run(args):
    print("hello", args.server)
    return 5
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package with two commands, `greet` and one that does not load."""
    (tmp_path / "greet_plugin_for_a_test.py").write_text(GOOD)
    (tmp_path / "broken_plugin_for_a_test.py").write_text("raise RuntimeError('no\\nluck')")
    metadata = tmp_path / "plugins_for_a_test-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: plugins-for-a-test\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[swarming.commands]\ngreet = greet_plugin_for_a_test\nbroken = broken_plugin_for_a_test\n"
        "run = broken_plugin_for_a_test\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("plugins")
def test_a_command_of_another_package_runs_with_its_own_options(swarming: Swarming):
    assert swarming("greet", "--server", "you") == swarming("--server", "you", "greet")
    ended = swarming("greet")

    assert (ended.code, ended.out) == (5, "hello nobody\n")


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_does_not_load_warns_in_one_line_when_it_is_used(swarming: Swarming):
    ended = swarming("broken")

    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) == 1
    assert "'broken'" in ended.err
    assert "no luck" in ended.err


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_does_not_load_does_not_touch_other_commands(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)

    ended = swarming("run", "true")

    assert (ended.code, ended.err) == (0, "")


@pytest.mark.usefixtures("plugins")
def test_the_help_lists_every_command_with_a_line(swarming: Swarming):
    ended = swarming("--help")

    lines = {line.split()[0]: line for line in ended.out.splitlines() if line.startswith("  ")}
    assert ended.code == 0
    assert {"run", "trigger", "collect", "cancel", "tasks", "task", "why", "bots", "greet", "broken"} <= lines.keys()
    assert lines["greet"].endswith("greet")
    assert "does not load" in lines["broken"]
    assert ended.err == ""


def test_an_unknown_command_is_a_wrong_use(swarming: Swarming):
    ended = swarming("rnu")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "swarming: there is no command 'rnu'; `swarming --help` lists them\n"


def test_no_command_at_all_shows_the_help_as_a_complaint(swarming: Swarming):
    ended = swarming()

    assert (ended.code, ended.out) == (2, "")
    assert "commands:" in ended.err


def test_a_malformed_address_is_a_wrong_use_wherever_it_comes_from(swarming: Swarming, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SWARMING_SERVER", "htp:/x")

    by_variable, by_option = swarming("tasks"), swarming("tasks", "--server", "htp:/x")

    assert by_variable == by_option
    assert (by_variable.code, by_variable.out) == (2, "")
    assert "not a server address: 'htp:/x' (expected something like" in by_variable.err


def test_the_version_is_the_installed_packages(swarming: Swarming):
    ended = swarming("--version")

    assert (ended.code, ended.out) == (0, f"swarming {version('swarming-client')}\n")


@pytest.mark.parametrize("command", ["run", "trigger", "collect", "cancel", "tasks", "task", "why", "bots"])
def test_every_command_has_help(swarming: Swarming, command: str):
    ended = swarming(command, "--help")

    assert ended.code == 0
    assert ended.out.startswith(f"usage: swarming {command}")


def test_help_needs_neither_httpx_nor_anybody_elses_module():
    check = "import sys; from swarming_client.main import main; main(['run', '--help']); print(*sys.modules)"

    shown = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout

    modules = shown.splitlines()[-1].split()
    assert "swarming_client.commands.run" in modules
    assert not {"httpx", "importlib.metadata", "swarming_client.commands.bots"} & set(modules)
