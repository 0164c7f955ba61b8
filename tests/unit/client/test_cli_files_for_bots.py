"""`swarming hooks`, `bootstrap` and `bot-archive`, against a scripted server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.scripted_server import Answer, ScriptedServer

Swarming = Callable[..., Any]

VERSION = {"version": "2", "who": "user:a", "when": "2026-01-02T03:04:05", "size": "6", "digest": "abcdef" * 8}


@pytest.mark.parametrize(("command", "kind"), [("hooks", "bot_config"), ("bootstrap", "bootstrap")])
def test_show_prints_the_script_as_it_is(server: ScriptedServer, swarming: Swarming, command: str, kind: str):
    server.script(f"server/{kind}", VERSION | {"content": "x = 1\n"})
    server.script(f"server/{kind}/versions/1", VERSION | {"content": "x = 0\n"})

    assert swarming(command, "show").out == "x = 1\n"
    assert swarming(command, "show", "1").out == "x = 0\n"


def test_upload_sends_the_file_and_says_which_version_it_is(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    server.script("server/bot_config", VERSION)
    (tmp_path / "hooks.py").write_text("# ä\n")

    ended = swarming("hooks", "upload", str(tmp_path / "hooks.py"))

    assert (ended.code, ended.err) == (
        0,
        "swarming: version 2 is in force; bots that joined with the server's zip take it now\n",
    )
    assert server.asked_for("server/bot_config")[0].body == {"content": "# ä\n"}


def test_what_the_server_refuses_is_told_in_its_words(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    refusal = {"error": {"message": "content: expected Python; line 1: invalid syntax"}}
    server.script("server/bot_config", Answer(400, refusal))
    (tmp_path / "hooks.py").write_text("def")

    ended = swarming("hooks", "upload", "--force", str(tmp_path / "hooks.py"))

    assert (ended.code, ended.err) == (1, "swarming: content: expected Python; line 1: invalid syntax\n")


def test_a_file_that_cannot_be_read_is_not_sent(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    (tmp_path / "hooks.py").write_bytes(b"\xff")

    assert "cannot read" in swarming("hooks", "upload", str(tmp_path / "none.py")).err
    assert "is not UTF-8" in swarming("hooks", "upload", str(tmp_path / "hooks.py")).err
    assert "cannot read" in swarming("bot-archive", "upload", str(tmp_path / "none.zip")).err
    assert server.asked == []


def test_versions_are_a_table_of_all_pages(server: ScriptedServer, swarming: Swarming):
    old = {"version": "1", "who": "user:b", "when": "2026-01-01T00:00:00", "size": "0", "reverted_to": "0"}
    server.script("server/bot_config/versions", {"items": [VERSION], "cursor": "2"}, {"items": [old]})

    lines = swarming("hooks", "versions").out.splitlines()

    assert [line.split()[:2] for line in lines[1:]] == [["2", "user:a"], ["1", "user:b"]]
    assert lines[2].endswith("as version 0")


def test_diff_and_revert(server: ScriptedServer, swarming: Swarming):
    server.script("server/bot_config/diff", {"diff": "-a\n+b\n", "from": "1", "to": "2"})
    server.script("server/bot_config/revert", VERSION)

    assert swarming("hooks", "diff", "1").out == "-a\n+b\n"
    assert swarming("hooks", "diff", "1", "2").code == 0
    assert (
        swarming("hooks", "revert", "0").err
        == "swarming: version 2 is in force; bots that joined with the server's zip take it now\n"
    )

    first, second = server.asked_for("server/bot_config/diff")
    assert (first.query, second.query) == ({"from": ["1"]}, {"from": ["1"], "to": ["2"]})
    assert server.asked_for("server/bot_config/revert")[0].body == {"version": 0}


def test_join_prints_the_line_alone(server: ScriptedServer, swarming: Swarming):
    made = {"bootstrap_token": "t", "command": "curl … | python3 -", "expires_ts": "2026-01-02T03:04:05"}
    server.script("server/token", made)

    ended = swarming("bootstrap", "join")

    assert ended.out == "curl … | python3 -\n"
    assert "good until" in ended.err
    assert swarming("bootstrap", "join", "--json").json == made


@pytest.mark.parametrize(("address", "is_told"), [("http://127.0.0.1:8080", True), ("http://192.0.2.7:8080", False)])
def test_join_says_when_no_other_machine_can_use_the_line(
    server: ScriptedServer, swarming: Swarming, address: str, is_told: bool
):
    line = f'curl -sSL "{address}/bootstrap?tok=t" | python3 -'
    server.script("server/token", {"bootstrap_token": "t", "command": line, "expires_ts": "2026-01-02T03:04:05"})

    ended = swarming("bootstrap", "join")

    assert ended.out == f"{line}\n"
    assert ("SWARMING_PUBLIC_URL" in ended.err) == is_told


def test_an_archive_can_be_shown_and_removed(server: ScriptedServer, swarming: Swarming):
    server.script("server/bot_archive", VERSION)
    server.script("server/bot_archive/revert", VERSION)

    assert swarming("bot-archive", "show").out.startswith("version 2, by user:a")
    removed, replaced = swarming("bot-archive", "remove"), swarming("bot-archive", "remove", "--replace-bots")
    assert (removed.code, "bots that run the archive keep it" in removed.err) == (0, True)
    assert "move to the server's zip now" in replaced.err
    asked = [one.body for one in server.asked_for("server/bot_archive/revert")]
    assert asked == [{"version": 0}, {"version": 0, "replace_bots": True}]


def test_an_archive_is_sent_as_it_is(server: ScriptedServer, swarming: Swarming, tmp_path: Path):
    server.script("server/bot_archive", VERSION)
    (tmp_path / "bot.zip").write_bytes(b"PK\0\xff")

    assert swarming("bot-archive", "upload", "--force", str(tmp_path / "bot.zip")).code == 0
    assert server.asked_for("server/bot_archive")[0].body == b"PK\0\xff"


@pytest.mark.parametrize("command", ["hooks", "bootstrap", "bot-archive"])
def test_a_command_without_an_action_is_a_wrong_use(swarming: Swarming, command: str):
    assert swarming(command).code == 2
