"""Hooks and archives are tried on the caller's machine before they are uploaded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swarming_client.trial import TrialFailed, try_archive, try_hooks
from tests.unit.client.scripted_server import ScriptedServer

Swarming = Callable[..., Any]
VERSION = {"version": "2", "who": "user:a", "when": "2026-01-02T03:04:05", "size": "6", "digest": "abcdef" * 8}


def a_zip(**modules: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in modules.items():
            archive.writestr(f"{name}.py", text)
    return packed.getvalue()


def test_hooks_that_raise_are_refused_with_their_traceback_and_not_sent(
    server: ScriptedServer, swarming: Swarming, tmp_path: Path
):
    server.script("server/bot_config", VERSION)
    (tmp_path / "hooks.py").write_text("import os\nimport no_such_module\n")

    ended = swarming("hooks", "upload", str(tmp_path / "hooks.py"))

    assert ended.code == 1
    assert '  File "bot_config.py", line 2, in <module>' in ended.err.splitlines()
    assert ended.err.splitlines()[-1] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert "--force" in ended.err
    assert server.asked_for("server/bot_config") == []


def test_force_sends_hooks_untried(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    server.script("server/bot_config", VERSION)
    (tmp_path / "hooks.py").write_text("import no_such_module\n")

    assert swarming("hooks", "upload", "--force", str(tmp_path / "hooks.py")).code == 0
    assert len(server.asked_for("server/bot_config")) == 1


def test_an_archive_whose_check_of_itself_fails_is_refused(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    server.script("server/bot_archive", VERSION)
    (tmp_path / "bot.zip").write_bytes(a_zip(__main__="raise RuntimeError('not fine')"))

    ended = swarming("bot-archive", "upload", str(tmp_path / "bot.zip"))

    assert (ended.code, "RuntimeError: not fine" in ended.err) == (1, True)
    assert server.asked_for("server/bot_archive") == []


def test_hooks_find_the_modules_of_the_bots_zip():
    hooks = "from api import platforms\nassert platforms.NAME\n"

    try_hooks(hooks, a_zip(**{"api/__init__": "", "api/platforms": "NAME = 'x'"}))
    with pytest.raises(TrialFailed) as failed:
        try_hooks(hooks, None)
    assert "No module named 'api'" in failed.value.details


@pytest.mark.parametrize("hooks", ["import os\nos._exit(0)\n", "raise SystemExit(0)\n"])
def test_hooks_that_end_the_process_are_refused_whatever_their_exit_code(hooks: str):
    with pytest.raises(TrialFailed, match="cannot be loaded"):
        try_hooks(hooks, None)


def test_a_trial_sees_no_secrets_and_leaves_nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SWARMING_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)

    try_hooks("import os\nassert 'SWARMING_TOKEN' not in os.environ\nopen('left', 'w').close()\n", None)

    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_does_not_end_is_ended_with_what_it_started():
    with pytest.raises(TrialFailed, match="does not end within 1 s"):
        try_hooks("import subprocess\nsubprocess.run(['sleep', '1000'])\n", None, seconds=1)


def test_an_archive_is_asked_as_a_bot_asks_it_before_an_update():
    try_archive(a_zip(__main__="import sys\nassert sys.argv[1:] == ['is_fine']"))
    with pytest.raises(TrialFailed):
        try_archive(b"no zip")
