"""Settings of the frontend."""

from functools import cached_property

from pydantic import Field

from swarming_common.model.request import CipdInput, CipdPackage
from swarming_common.model.request_limits import Limits
from swarming_common.settings import CommonSettings

DEFAULT_PORT = 8081

MAX_BODY_BYTES = 15 * 1024 * 1024
"""A broker's message holds 16 MiB, and the run of such a task must fit into one. The limits of a request allow a little
more (eight slices of 4096 outputs of 512 characters); every real one is a thousandth of it."""

REFERENCE_MIN_TIMEOUT_SECS = 30
REFERENCE_MIN_PING_TOLERANCE_SECS = 60
REFERENCE_GUARDED_PRIORITY = 20


class FrontendSettings(CommonSettings):
    """What an installation may choose; each field is read from `SWARMING_<FIELD>`."""

    frontend_port: int = DEFAULT_PORT
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, gt=0, le=MAX_BODY_BYTES)
    min_timeout_secs: int = Field(default=REFERENCE_MIN_TIMEOUT_SECS, ge=1)
    """The least execution time-out, I/O time-out and expiration; tests lower it."""
    min_ping_tolerance_secs: int = Field(default=REFERENCE_MIN_PING_TOLERANCE_SECS, ge=1)
    """The least silence of a bot that a request may tolerate; tests lower it."""
    guarded_priority: int = Field(default=REFERENCE_GUARDED_PRIORITY, ge=0, le=255)
    """Priorities below it are raised to it for callers without special rights; 0 guards none."""

    cipd_server: str = ""
    """The URL of the CIPD server of tasks that name none; without one they are refused."""
    cipd_client: str = Field(default="", pattern=r"^([^:]+:.+)?$")
    """Their CIPD client, as `package:version`; the same."""

    @cached_property
    def cipd(self) -> CipdInput:
        """What tasks with packages need not say."""
        name, _, version = self.cipd_client.partition(":")
        client = CipdPackage(package_name=name, version=version) if name else None
        return CipdInput(server=self.cipd_server, client_package=client)

    @cached_property
    def limits(self) -> Limits:
        """The floors of requests."""
        return Limits(min_timeout_secs=self.min_timeout_secs, min_ping_tolerance_secs=self.min_ping_tolerance_secs)
