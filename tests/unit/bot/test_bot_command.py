"""The arguments of the command."""

from __future__ import annotations

import argparse

import pytest

from swarming_bot import command


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--bots", "0"], "--bots 0"),
        (["--dimension", "gpu"], "expected KEY=VALUE"),
        (["--dimension", "1gpu=x"], "no digit first"),
        (["--dimension", "gpu= x"], "no space around it"),
        (["--dimension", "id=other"], "set with --id"),
        (["--id", "a:b"], "--id 'a:b'"),
        (["--server", "localhost:8080"], "--server 'localhost:8080'"),
        (["--server", "http://host:port"], "--server"),
        (["--cost-usd-hour", "-1"], "--cost-usd-hour"),
    ],
)
def test_bad_arguments_are_explained(arguments, complaint, capsys):
    parser = argparse.ArgumentParser()
    command.configure(parser)

    exit_code = command.run(parser.parse_args(arguments))

    assert exit_code == 2
    assert complaint in capsys.readouterr().err


def test_the_server_comes_from_the_environment_or_is_local(monkeypatch):
    monkeypatch.setenv("SWARMING_SERVER", "http://elsewhere:1")
    given = argparse.ArgumentParser()
    command.configure(given)
    monkeypatch.delenv("SWARMING_SERVER")
    default = argparse.ArgumentParser()
    command.configure(default)

    assert given.parse_args([]).server == "http://elsewhere:1"
    assert default.parse_args([]).server == "http://localhost:8080"
