"""Settings that every service has, read from the environment once and frozen."""

from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from swarming_common.errors import SwarmingError
from swarming_common.invalid import invalid_message

ENV_PREFIX = "SWARMING_"

BOT_DEATH_TIMEOUT_SECS = 600
"""Upstream's: longer than a bot takes to update itself or to reboot its machine."""


class CommonSettings(BaseSettings):
    """Addresses and limits of a service; each field is read from `SWARMING_<FIELD>`.

    Empty addresses mean the embedded adapters, which only the standalone process can use.
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    database_url: str = ""
    bus_url: str = ""
    cache_url: str = ""
    public_url: str = "http://localhost:8080"
    """How bots and people reach this installation; it goes into what bots download, never the Host header."""

    host: str = "127.0.0.1"
    """The interface to listen on; a deployment behind a proxy says 0.0.0.0 on purpose."""

    pools_file: str = ""
    """A TOML file with the settings of pools (pools/file.py); empty leaves every pool at its defaults."""

    bot_death_timeout_secs: int = Field(default=BOT_DEATH_TIMEOUT_SECS, gt=0)
    """How long a bot may be unheard of before it counts as dead: in lists, and as capacity for tasks."""

    log_level: str = "info"
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$")
    """`auto` is text on a terminal and JSON elsewhere."""

    stop_seconds: float = 10.0
    """How long an orderly stop may take; below what supervisors usually allow before they kill."""


class InvalidSetting(SwarmingError):
    """A setting has a value that it cannot have."""


class MissingSetting(InvalidSetting):
    """A setting is needed and was not given."""


S = TypeVar("S", bound=CommonSettings)


def read_settings(kind: type[S], **given: Any) -> S:
    """Those of the environment, but for what is given. Raises InvalidSetting, naming the variable."""
    try:
        return kind(**given)
    except ValidationError as error:
        wrong, got = invalid_message(error), error.errors()[0]["input"]
        raise InvalidSetting(f"{ENV_PREFIX}{wrong.field.upper()}: {wrong.expected}, got {got!r}") from error


def require(value: str, name: str, example: str) -> str:
    """The value; raises MissingSetting, naming the variable and a right value, when it is empty."""
    if not value:
        raise MissingSetting(f"{name} is not set; expected something like {example}")
    return value
