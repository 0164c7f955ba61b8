"""The parts of the bot that need no server."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from itertools import pairwise

import pytest

from swarming_bot import leftovers
from swarming_bot.dimensions import bot_dimensions, cpu_values, os_values, parse_dimensions, parse_os_release
from swarming_bot.errors import BadManifest
from swarming_bot.manifest import parse_manifest
from swarming_bot.output import LARGEST_CHUNK_BYTES, MEMORY_BYTES, Output
from swarming_bot.pacing import Pacing
from swarming_bot.retry_delay import call_delay, poll_delay
from swarming_bot.version import version_of
from tests.unit.bot.scripted_server import a_manifest


@pytest.fixture
def output(tmp_path) -> Iterator[Output]:
    one = Output(str(tmp_path))
    yield one
    one.close()


def test_output_is_handed_out_again_until_it_is_acknowledged(output):
    output.append(b"abc")

    first = output.next_chunk()
    output.append(b"def")
    again = output.next_chunk()
    output.acknowledge(6)
    output.append(b"g")

    assert (first, again, output.next_chunk()) == ((0, b"abc"), (0, b"abcdef"), (6, b"g"))
    assert output.unsent == 1


def test_output_beyond_memory_waits_on_disk_and_joins_up(output):
    written = random.Random(1).randbytes(MEMORY_BYTES + 1_000_003)
    taken = bytearray()

    for start in range(0, len(written), 300_000):
        output.append(written[start : start + 300_000])
    while output.unsent:
        offset, chunk = output.next_chunk()
        assert offset == len(taken)
        assert len(chunk) <= LARGEST_CHUNK_BYTES
        taken += chunk
        output.acknowledge(offset + len(chunk))

    assert taken == written


def test_output_beyond_what_a_server_keeps_is_dropped(output, monkeypatch):
    monkeypatch.setattr("swarming_bot.output.MOST_BYTES", 10)
    output.append(b"12345678")
    output.acknowledge(4)

    output.append(b"9abc")
    output.append(b"def")

    assert output.next_chunk() == (4, b"56789a")
    assert output.unsent == 6


def test_the_first_output_after_quiet_leaves_soon_and_the_next_half_a_second_later():
    pacing = Pacing(now=100.0)

    pacing.saw_output(103.0, unsent_before=0)
    first = pacing.due(unsent=5)
    pacing.sent(first, unsent=5)
    pacing.saw_output(103.2, unsent_before=0)

    assert first == pytest.approx(103.1)
    assert pacing.due(unsent=7) == pytest.approx(103.6)


def test_a_full_chunk_leaves_at_once():
    pacing = Pacing(now=100.0)

    assert pacing.due(unsent=LARGEST_CHUNK_BYTES) <= 100.0


def test_silence_is_broken_each_second_at_first_and_each_ten_seconds_later():
    pacing = Pacing(now=100.0)
    beats = [100.0]

    while beats[-1] < 300:
        beats.append(pacing.due(unsent=0))
        pacing.sent(beats[-1], unsent=0)

    pauses = [round(after - before, 6) for before, after in pairwise(beats)]
    assert pauses[:5] == [1.0] * 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10.0
    assert len(beats) < 40


def test_retries_start_promptly_and_level_off():
    assert all(0.16 <= call_delay(0) <= 0.24 for _ in range(50))
    assert all(0.08 <= poll_delay(1) <= 0.12 for _ in range(50))
    assert all(4 <= call_delay(1000) <= 6 for _ in range(50))
    assert all(8 <= poll_delay(1000) <= 12 for _ in range(50))


def test_dimensions_given_replace_what_the_machine_says():
    given = parse_dimensions(["gpu=a", "gpu=b", "gpu=a", "cores=8", "eq=a=b"])

    result = bot_dimensions("me", given, {"cores": ["2"], "os": ["Linux"]})

    assert result == {
        "cores": ["8"],
        "eq": ["a=b"],
        "gpu": ["a", "b"],
        "id": ["me"],
        "os": ["Linux"],
        "pool": ["default"],
    }


def test_this_machine_has_an_os():
    assert {"Linux", "Mac"} & set(os_values())


def test_machines_are_described_from_the_general_to_the_exact():
    release = parse_os_release(["ID=debian\n", 'VERSION_ID="12"\n', "# comment\n", "\n"])

    assert release == {"ID": "debian", "VERSION_ID": "12"}
    assert cpu_values("x86_64", True) == ["x86", "x86-64"]
    assert cpu_values("aarch64", True) == ["arm64", "arm64-64"]
    assert cpu_values("riscv64", True) == ["riscv64", "riscv64-64"]


def test_the_version_is_the_hash_that_the_protocol_defines():
    expected = hashlib.sha256(b"1a3xyz2bb0").hexdigest()

    assert version_of({"bb": b"", "a": b"xyz"}) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_id", None),
        ("task_id", "a/b"),
        ("command", "echo"),
        ("command", [1]),
        ("env", {"A": 1}),
        ("env_prefixes", {"PATH": "bin"}),
        ("env_prefixes", {"PATH": ["../x"]}),
        ("hard_timeout", "60"),
        ("hard_timeout", -1),
        ("io_timeout", True),
        ("grace_period", float("nan")),
        ("relative_cwd", "/etc"),
        ("relative_cwd", "a/../../b"),
        ("secret_bytes", "no base64!"),
        ("cas_input_root", {"cas_instance": "i"}),
        ("cas_input_root", {"cas_instance": "i", "digest": "h/1"}),
        ("cipd_input", {"server": "s"}),
        ("cipd_input", {"packages": {"a/b": "1"}}),
        ("cipd_input", {"packages": [{"package_name": "a/b"}]}),
    ],
)
def test_a_bad_manifest_names_the_field(field, value):
    with pytest.raises(BadManifest, match=field):
        parse_manifest(a_manifest("true", **{field: value}))


def test_a_manifest_needs_only_its_required_keys():
    manifest = parse_manifest({"task_id": "7c2236638dbfed11", "hard_timeout": 60, "grace_period": 30})

    assert manifest.command == []
    assert manifest.io_timeout == 0
    assert manifest.task_id == "7c2236638dbfed10"


def test_a_leftover_whose_process_id_is_another_process_by_now_is_left_alone(tmp_path):
    note = tmp_path / "running.json"
    with subprocess.Popen(["sleep", "65"], start_new_session=True) as process:
        leftovers.write(str(note), process.pid, "7c2236638dbfed11")
        written = json.loads(note.read_text())
        note.write_text(json.dumps({**written, "began": "another time"}))

        leftovers.end(str(note))

        assert process.poll() is None
        assert not note.exists()
        process.kill()


def test_a_leftover_group_whose_leader_is_gone_is_ended(tmp_path):
    note = tmp_path / "running.json"
    env = {**os.environ, "SWARMING_TASK_ID": "7c2236638dbfed11"}
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 66 & read line"],
        env=env,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    leftovers.write(str(note), leader.pid, "7c2236638dbfed11")
    assert leader.stdin is not None
    assert leader.stdout is not None
    leader.stdin.write(b"go\n")
    leader.stdin.close()
    assert leader.wait() == 0

    leftovers.end(str(note))

    assert leader.stdout.read() == b""  # the child held this open, until it was killed
    leader.stdout.close()


def test_a_note_that_cannot_be_read_says_nothing(tmp_path):
    note = tmp_path / "running.json"
    note.write_text('{"pid": ')

    leftovers.end(str(note))

    assert not note.exists()
