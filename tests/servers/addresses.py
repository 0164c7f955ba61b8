"""Parts of addresses exchanged for others."""

from urllib.parse import quote, urlsplit, urlunsplit


def at(url: str, host: str, port: int) -> str:
    """The same address at another host and port."""
    parts = urlsplit(url)
    account, has_account, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{account}{has_account}{host}:{port}"))


def inside(url: str, name: str) -> str:
    """The address of a part of the server: a database, a virtual host, a database number."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))


def name_inside(url: str) -> str:
    """What `inside` put there."""
    return urlsplit(url).path.removeprefix("/")


def place(url: str, default_port: int) -> tuple[str, int]:
    """Where the server listens."""
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or default_port
