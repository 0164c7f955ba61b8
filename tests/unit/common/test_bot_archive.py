import hashlib
import io
import zipfile

import pytest

from swarming_bot.version import version_of as version_as_the_bot_sees_it
from swarming_common.bot_code.archive import MAIN, pack, unpack, version_of
from swarming_common.errors import InvalidInput

FILES = {MAIN: b"print()", "config/config.json": b"{}", "empty.py": b"", "umlaut-\u00e4.py": "ä".encode()}


def test_the_version_hashes_length_and_text_of_each_name_and_content_in_the_order_of_names():
    by_hand = hashlib.sha256(b"11__main__.py7print()" + b"4b.py" + b"2xy").hexdigest()

    assert version_of({"b.py": b"xy", MAIN: b"print()"}) == by_hand


def test_the_bot_and_the_server_mean_the_same_version():
    assert version_as_the_bot_sees_it(FILES) == version_of(FILES)


def test_the_same_files_make_the_same_zip_in_whatever_order():
    assert pack(FILES) == pack(dict(reversed(FILES.items())))


def test_what_was_packed_is_unpacked():
    assert unpack(pack(FILES)) == FILES


@pytest.mark.parametrize("change", [{"empty.py": b"x"}, {"another.py": b""}])
def test_another_file_or_content_is_another_version(change):
    assert version_of(FILES | change) != version_of(FILES)


@pytest.mark.parametrize("length", [0, 1, 30, 100, -1, -30])
def test_a_truncated_zip_is_refused(length):
    with pytest.raises(InvalidInput, match="expected a whole zip file"):
        unpack(pack(FILES)[:length])


def test_a_damaged_zip_is_refused():
    whole = pack({MAIN: b"x" * 1000})
    damaged = bytearray(whole)
    damaged[len(MAIN) + 32] ^= 0xFF

    with pytest.raises(InvalidInput, match="expected a whole zip file"):
        unpack(bytes(damaged))


def test_a_zip_that_python_cannot_start_is_refused():
    with pytest.raises(InvalidInput, match=r"with __main__\.py in it"):
        unpack(pack({"main.py": b""}))


def test_a_zip_with_two_files_of_one_name_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(MAIN, "one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(MAIN, "two")

    with pytest.raises(InvalidInput, match="no two files of one name"):
        unpack(packed.getvalue())


def test_a_small_zip_that_holds_very_much_is_refused(monkeypatch):
    monkeypatch.setattr("swarming_common.bot_code.archive.MAX_UNPACKED_BYTES", 999)

    with pytest.raises(InvalidInput, match="at most 999 bytes when unpacked"):
        unpack(pack({MAIN: b"x" * 1000}))
