"""Base64 as others write it: with line breaks, in either alphabet, without padding."""

import base64

import pytest

from swarming_common.base64_text import decode_base64

SECRET = bytes(range(256))


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(SECRET).decode(),
        base64.encodebytes(SECRET).decode(),  # as upstream's client does
        base64.encodebytes(SECRET).decode().replace("\n", "\r\n"),
        base64.urlsafe_b64encode(SECRET).decode(),
        base64.urlsafe_b64encode(SECRET).decode().rstrip("="),
        f"  {base64.b64encode(SECRET).decode()}\t",
    ],
)
def test_every_form_means_the_same(text):
    assert decode_base64(text) == SECRET


@pytest.mark.parametrize("text", ["%%", "é", "A", "AAAAA", "AA=A", "\0", "eA==\0", "====", "eA==="])
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(ValueError, match=r"base64|padding|ASCII"):
        decode_base64(text)


def test_nothing_stands_for_nothing():
    assert decode_base64("") == decode_base64("\n") == b""
