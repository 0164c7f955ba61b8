"""What bots say of their own work, as clients read it."""

import base64
import zlib
from typing import Any

import pytest

from swarming_frontend.api.packed_integers import MAX_UNPACKED_BYTES, unpack
from swarming_frontend.api.performance_stats import performance_stats


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (b"", []),
        (b"\0", [0]),
        (b"\x03\x00\x04", [3, 3, 7]),
        (b"\x7f\x01", [127, 128]),
        (b"\x80\x01\x01", [128, 129]),
        (b"\xac\x02\x00\x80\x80\x01", [300, 300, 16684]),
        (b"\xff" * 8 + b"\x7f", [2**63 - 1]),
        (b"\0" * MAX_UNPACKED_BYTES, [0] * MAX_UNPACKED_BYTES),
    ],
)
def test_packed_integers_are_distances_in_varints(content, numbers):
    assert unpack(packed(content)) == numbers


def test_a_list_that_an_upstream_bot_packed_is_read():
    assert unpack("eJwDAAAAAAE=") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64",
        "ü",
        base64.b64encode(b"not deflated").decode(),
        base64.b64encode(zlib.compress(b"\x01\x02\x03")[:-1]).decode(),
        base64.b64encode(zlib.compress(b"\x01") + b"more").decode(),
        packed(b"\x01\x80"),
        packed(b"\xff" * 9 + b"\x01"),
        packed(b"\0" * (MAX_UNPACKED_BYTES + 1)),
        packed(b"\0" * 50_000_000),
    ],
)
def test_what_is_no_packed_list_is_not_read(text):
    assert unpack(text) is None


def test_each_stat_is_found_under_the_name_by_which_bots_send_it():
    sizes = packed(b"\x05\x80\x02")
    details = {
        "bot_overhead": 0.9,
        "isolated_stats": {
            "download": {
                "duration": 0.2,
                "initial_number_items": 7,
                "initial_size": 2**40,
                "items_cold": sizes,
                "items_hot": packed(b""),
            },
            "upload": {"duration": 1, "items_cold": packed(b"\x01")},
        },
        "cipd_stats": {"duration": 1.5},
        "cache_trim_stats": {"duration": 2.5},
        "named_caches_stats": {"install": {"duration": 3.5}, "uninstall": {"duration": 4.5}},
        "cleanup_stats": {"duration": 5.5},
        "cipd_pins": {"packages": []},
    }

    assert performance_stats(details) == {
        "bot_overhead": 0.9,
        "isolated_download": {
            "duration": 0.2,
            "initial_number_items": "7",
            "initial_size": "1099511627776",
            "items_cold": sizes,
            "num_items_cold": "2",
            "total_bytes_items_cold": "266",
            "items_hot": packed(b""),
            "num_items_hot": "0",
            "total_bytes_items_hot": "0",
        },
        "isolated_upload": {
            "duration": 1.0,
            "items_cold": packed(b"\x01"),
            "num_items_cold": "1",
            "total_bytes_items_cold": "1",
        },
        "package_installation": {"duration": 1.5},
        "cache_trim": {"duration": 2.5},
        "named_caches_install": {"duration": 3.5},
        "named_caches_uninstall": {"duration": 4.5},
        "cleanup": {"duration": 5.5},
    }


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"missing_cipd": [{"package_name": "a"}]},
        {"isolated_stats": {"download": {}, "upload": {}}, "cipd_stats": {}, "named_caches_stats": {}},
        {"isolated_stats": {"download": None, "upload": "x"}, "cipd_stats": [], "named_caches_stats": 3},
        {"bot_overhead": "1", "cleanup_stats": {"duration": True}},
        {"bot_overhead": -1, "cleanup_stats": {"duration": float("nan")}},
        {"bot_overhead": 10**400, "cleanup_stats": {"duration": float("inf")}},
        {"isolated_stats": {"download": {"initial_size": 2**63, "initial_number_items": 1.5, "items_cold": 3}}},
        {"isolated_stats": {"download": {"items_cold": packed((b"\xff" * 8 + b"\x7f") + b"\0")}}},
    ],
)
def test_what_cannot_be_read_stays_away(details: dict[str, Any]):
    assert performance_stats(details) is None
