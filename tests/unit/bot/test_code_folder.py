from __future__ import annotations

from pathlib import Path

import pytest

from swarming_bot.code_folder import GOOD, NOTE, SLOTS, CodeFolder
from swarming_bot.version import zip_version
from swarming_common.bot_code.archive import MAIN, pack, version_of


def a_zip(text: str) -> bytes:
    return pack({MAIN: text.encode()})


def the_version(text: str) -> str:
    return version_of({MAIN: text.encode()})


@pytest.fixture
def folder(tmp_path: Path) -> CodeFolder:
    (tmp_path / GOOD).write_bytes(a_zip("one"))
    folder = CodeFolder(str(tmp_path))
    folder.settle()
    return folder


def try_next(folder: CodeFolder, text: str) -> None:
    path = folder.free_slot()
    folder.store(path, a_zip(text))
    folder.put_on_trial(path, the_version(text))


def running(folder: CodeFolder) -> str | None:
    return zip_version(folder.file(folder.note().running))


def good(folder: CodeFolder) -> str | None:
    return zip_version(folder.file(GOOD))


def test_a_copy_runs_so_that_the_file_that_a_machine_starts_is_never_in_use(folder):
    assert folder.note().running == SLOTS[0]
    assert running(folder) == the_version("one")


def test_updates_alternate_between_two_files(folder):
    seen = []
    for text in ("two", "three", "four"):
        try_next(folder, text)
        folder.prove()
        seen.append(folder.note().running)

    assert seen == [SLOTS[1], SLOTS[0], SLOTS[1]]


def test_a_version_on_trial_is_not_what_the_machine_starts(folder):
    try_next(folder, "two")

    assert running(folder) == the_version("two")
    assert good(folder) == the_version("one")


def test_a_version_that_works_is_what_the_machine_starts(folder):
    try_next(folder, "two")

    folder.prove()

    assert good(folder) == the_version("two")
    assert not folder.note().is_on_trial


def test_an_abandoned_version_gives_way_to_the_one_before_and_is_remembered(folder):
    try_next(folder, "two")

    folder.abandon("it crashed")

    note = folder.note()
    assert running(folder) == good(folder) == the_version("one")
    assert (note.rejected, note.reason, note.is_on_trial) == (the_version("two"), "it crashed", False)
    assert folder.take_news() == f"Version {the_version('two')} was abandoned: it crashed"
    assert folder.take_news() == ""


def test_a_version_that_had_worked_can_still_be_abandoned(folder):
    try_next(folder, "two")
    folder.prove()
    assert folder.can_go_back

    folder.abandon("it crashes again and again")

    assert running(folder) == good(folder) == the_version("one")
    assert not folder.can_go_back


def test_without_the_file_before_it_goes_back_to_what_the_machine_starts(folder):
    try_next(folder, "two")
    Path(folder.file(SLOTS[0])).write_bytes(b"damaged")

    folder.abandon("it crashed")

    assert running(folder) == the_version("one")


def test_the_next_update_forgets_what_was_rejected(folder):
    try_next(folder, "two")
    folder.abandon("it crashed")

    try_next(folder, "three")

    assert folder.note().rejected == ""


def test_a_trial_goes_on_after_the_machine_was_switched_off(folder):
    try_next(folder, "two")
    folder.count_crash()

    assert CodeFolder(folder.path).settle() == folder.note()
    assert folder.count_crash() == 2


@pytest.mark.parametrize("note", ["", "[]", "{", '{"good": 1}'])
def test_a_note_that_makes_no_sense_is_none(folder, note):
    Path(folder.file(NOTE)).write_text(note)

    assert folder.settle().version == the_version("one")
    assert running(folder) == the_version("one")


def test_a_copy_that_was_damaged_is_made_anew(folder):
    Path(folder.file(SLOTS[0])).write_bytes(a_zip("one")[:-9])

    folder.settle()

    assert running(folder) == the_version("one")


def test_a_zip_that_somebody_put_here_counts(folder):
    try_next(folder, "two")
    folder.prove()
    Path(folder.file(GOOD)).write_bytes(a_zip("by hand"))

    folder.settle()

    assert running(folder) == good(folder) == the_version("by hand")


def test_a_machine_that_lost_power_between_the_file_and_the_note_starts_what_had_worked(folder):
    try_next(folder, "two")
    Path(folder.file(GOOD)).write_bytes(a_zip("two"))  # prove() got this far

    note = folder.settle()

    assert (note.version, note.is_on_trial) == (the_version("two"), False)


def test_a_folder_without_a_whole_zip_is_said_to_be_none(tmp_path):
    (tmp_path / GOOD).write_bytes(a_zip("one")[:-9])

    with pytest.raises(OSError, match="is not a bot's zip"):
        CodeFolder(str(tmp_path)).settle()


def test_nothing_but_the_files_themselves_is_left_in_the_folder(folder):
    try_next(folder, "two")
    folder.prove()

    assert {path.name for path in Path(folder.path).iterdir()} == {GOOD, NOTE, *SLOTS}
