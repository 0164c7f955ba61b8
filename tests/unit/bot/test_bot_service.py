"""Bots as a service of the operating system."""

from __future__ import annotations

import argparse
import getpass
import os
import plistlib
import pwd
import shutil
import subprocess
import sys

import pytest

from swarming_bot import command
from swarming_bot.errors import BotError
from swarming_bot.service import ServicePlan, check_user, install, plan_service


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return parser.parse_args(arguments)


def test_the_service_has_the_options_it_was_installed_with(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hooks.py").touch()
    options = [
        "--server", "http://s:1", "--bots", "3", "--dimension", "a=b c", "--id", "box", "--work", "w",
        "--hooks", "hooks.py", "--lowest-free-disk-mb", "10", "--reboot-command", "sudo -n reboot", "-v",
    ]  # fmt: skip

    again = parse(*command.bot_arguments(parse("install-service", *options)))

    expected = vars(parse(*options))
    expected.update(work=str(tmp_path / "w"), hooks=str(tmp_path / "hooks.py"))
    assert vars(again) == expected


def test_a_unit_of_the_system_runs_as_the_user_and_one_of_the_user_does_not_say(tmp_path):
    system = plan_service(["--server", "http://s"], for_system=True, user="worker", platform="linux")
    own = plan_service(["--server", "http://s"], for_system=False, user="worker", platform="linux", home=str(tmp_path))

    assert system.path == "/etc/systemd/system/swarming-bot.service"
    assert f"ExecStart={sys.executable} -m swarming_bot --server http://s\nUser=worker\n" in system.content
    assert "WantedBy=multi-user.target" in system.content
    assert ("systemctl", "enable", "swarming-bot.service") in system.commands
    assert own.path == f"{tmp_path}/.config/systemd/user/swarming-bot.service"
    assert "User=" not in own.content
    assert "WantedBy=default.target" in own.content
    assert ("systemctl", "--user", "enable", "swarming-bot.service") in own.commands


def test_words_that_mean_something_to_systemd_are_escaped():
    content = plan_service(["-d", 'a=b c"$%\\', ""], for_system=True, platform="linux").content

    assert '-d "a=b c\\"$$%%\\\\" ""\n' in content


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    unit = tmp_path / "swarming-bot.service"
    unit.write_text(plan_service(["-d", "a=b c"], for_system=True, user="root", platform="linux").content)
    check = shutil.which("systemd-analyze") or "true"  # where there is no systemd, nobody reads the unit

    checked = subprocess.run([check, "verify", str(unit)], capture_output=True, text=True)

    assert "swarming-bot.service" not in checked.stderr


def test_a_job_of_launchd(tmp_path):
    plan = plan_service(["--bots", "2"], for_system=False, platform="darwin", home=str(tmp_path))

    job = plistlib.loads(plan.content.encode())
    assert plan.path == f"{tmp_path}/Library/LaunchAgents/org.swarming.bot.plist"
    assert job["ProgramArguments"] == [sys.executable, "-m", "swarming_bot", "--bots", "2"]
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert plan.commands == (("launchctl", "load", "-w", plan.path),)


def test_print_only_shows_what_would_be_done(capsys):
    arguments = parse("install-service", "--print", "--user", "--server", "http://s:1")

    assert command.run(arguments) == 0

    shown = capsys.readouterr().out
    assert "ExecStart=" in shown
    assert "# then: systemctl --user enable swarming-bot.service" in shown


def test_installing_writes_the_file_and_runs_the_commands(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ntest "$1" != fail\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    path = str(tmp_path / "deep" / "unit")

    install(ServicePlan(path, "text", (("systemctl", "daemon-reload"), ("systemctl", "enable", "x"))))

    assert (tmp_path / "deep" / "unit").read_text() == "text"
    assert (tmp_path / "said").read_text() == "daemon-reload\nenable x\n"
    with pytest.raises(BotError, match="`systemctl fail` failed"):
        install(ServicePlan(path, "text", (("systemctl", "fail"),)))
    with pytest.raises(BotError, match="no-such-program cannot be run"):
        install(ServicePlan(path, "text", (("no-such-program",),)))


def test_a_service_runs_as_somebody_whom_the_bots_folder_belongs_to(tmp_path):
    archive = str(tmp_path / "swarming_bot.zip")
    somebody_else = next(one.pw_name for one in pwd.getpwall() if one.pw_uid not in (0, os.getuid()))

    check_user("root", archive)
    check_user(getpass.getuser(), archive)
    with pytest.raises(BotError, match=f"chown -R {somebody_else} {tmp_path}"):
        check_user(somebody_else, archive)
    with pytest.raises(BotError, match="no user 'nobody at all'"):
        check_user("nobody at all", archive)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(BotError, match="--print shows"):
        install(ServicePlan(str(tmp_path / "file" / "unit"), "text", ()))
