"""The hooks and the bootstrap script that come with the release, and what is put above the script."""

from functools import cache
from importlib.resources import files


@cache
def default_bot_config() -> str:
    """Hooks that do nothing."""
    return _text("default_bot_config.py")


@cache
def default_bootstrap() -> str:
    """A script that makes a machine a bot."""
    return _text("default_bootstrap.py")


def bootstrap_script(body: str, host_url: str, token: str) -> str:
    """The script as it is served: upstream's two names, and the script itself."""
    return f"host_url = {host_url!r}\nbootstrap_token = {token!r}\n{body}"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
