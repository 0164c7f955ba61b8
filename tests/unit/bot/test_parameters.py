"""`${…}` in a task's arguments and environment."""

from __future__ import annotations

import json
import os

import pytest

from swarming_bot.parameters import Parameters


def test_each_is_replaced_wherever_it_stands(tmp_path):
    parameters = Parameters(str(tmp_path), lambda: {"dimensions": {"id": ["bot1"]}, "state": {}})

    assert parameters.replace_in("tool${EXECUTABLE_SUFFIX}") == "tool"
    assert (
        parameters.replace_in("--out=${ISOLATED_OUTDIR}/a:${ISOLATED_OUTDIR}")
        == f"--out={tmp_path}/out/a:{tmp_path}/out"
    )
    assert (tmp_path / "out").is_dir()
    bot_file = parameters.replace_in("${SWARMING_BOT_FILE}")
    assert parameters.replace_in("${SWARMING_BOT_FILE}") == bot_file
    with open(bot_file, encoding="utf-8") as file:
        assert json.load(file)["dimensions"] == {"id": ["bot1"]}


@pytest.mark.parametrize("text", ["", "plain", "${HOME}", "$ISOLATED_OUTDIR", "${isolated_outdir}", "${"])
def test_everything_else_stays_and_nothing_is_made(tmp_path, text):
    assert Parameters(str(tmp_path), dict).replace_in(text) == text
    assert os.listdir(tmp_path) == []


def test_a_task_finds_them_replaced_in_arguments_and_environment(server, start_bots):
    server.run(
        "sh",
        "-c",
        'cd "$OUT" && test "$1" = "$OUT" && cat "$BOT" && echo && echo "$TOOL"',
        "sh",
        "${ISOLATED_OUTDIR}",
        env={"OUT": "${ISOLATED_OUTDIR}", "BOT": "${SWARMING_BOT_FILE}", "TOOL": "x${EXECUTABLE_SUFFIX}"},
    )

    start_bots()

    assert server.wait_for_final().body["exit_code"] == 0
    bot, tool = server.output().decode().splitlines()
    assert json.loads(bot)["dimensions"]["id"] == ["bot1"]
    assert tool == "x"
