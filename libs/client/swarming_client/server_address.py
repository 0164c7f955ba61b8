"""Which server to talk to, and at which address its API lives."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from swarming_client.errors import UsageError

DEFAULT_SERVER = "http://localhost:8080"
SERVER_VARIABLE = "SWARMING_SERVER"
API_PATH = "/api/swarming/v1/"


def normal_server_address(server: str) -> str:
    """Complete an address as people type it (`localhost:8080`); raises UsageError when it is none."""
    address = server if "://" in server else f"http://{server}"
    try:
        parts = urlsplit(address)
        lacks_port = parts.netloc.endswith(":")  # as for `http:/x`, whose host would be called http
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not lacks_port
    except ValueError:  # a port that is no number, a broken IPv6 address
        valid = False
    if not valid or any(c.isspace() for c in address):
        raise UsageError(f"not a server address: {server!r} (expected something like {DEFAULT_SERVER})")
    return address.rstrip("/")


def is_on_this_machine(address: str) -> bool:
    """Say whether the address is a loopback one."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
