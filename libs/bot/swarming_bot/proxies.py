"""Which proxy leads to an address, as the environment says: http_proxy, https_proxy, all_proxy and no_proxy."""

from __future__ import annotations

import base64
import ipaddress
import urllib.request
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

from swarming_bot.tls import tls_context

DEFAULT_PORT = 80


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. It may carry a password, so only `address` may be logged."""

    host: str
    port: int
    authorization: str  # the value of Proxy-Authorization; empty for none

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self.address})"


def proxy_for(url: str) -> Optional[Proxy]:
    """The proxy for an http or https address; None for a direct connection.

    This machine's own loopback is never asked of a proxy, whatever no_proxy says. Raises ValueError for a proxy that
    cannot be used, in words without its password.
    """
    parts = urlsplit(url)
    # Variables in lower case win; in a CGI process HTTP_PROXY may come from a request and is ignored.
    named = urllib.request.getproxies_environment()
    address = named.get(parts.scheme) or named.get("all")
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not address or is_loopback(host) or _is_excepted(host, port, named.get("no", "")):
        return None
    return parse_proxy(address)


def parse_proxy(address: str) -> Proxy:
    """`http://user:password@host:port`; the scheme and all but the host may be left out. Raises ValueError."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme != "http":
        # Neither the address nor the error is quoted: there may be a password in it.
        raise ValueError("http_proxy or https_proxy: expected something like http://user:password@proxy:3128")
    authorization = ""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(user.encode()).decode("ascii")
    return Proxy(host, port, authorization)


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_proxies() -> None:
    """Raises ValueError, without a password in it, if the environment names a proxy that cannot be used."""
    named = urllib.request.getproxies_environment()
    for scheme in ("http", "https", "all"):
        if named.get(scheme):
            parse_proxy(named[scheme])


class EnvironmentProxies(urllib.request.ProxyHandler):
    """The same choice of a proxy for urllib, made anew for each request, so also after a redirect."""

    def __init__(self) -> None:
        super().__init__({})

    def http_open(self, request: urllib.request.Request) -> Optional[HTTPResponse]:
        proxy = proxy_for(request.full_url)
        if proxy is not None:
            if proxy.authorization:
                request.add_unredirected_header("Proxy-authorization", proxy.authorization)
            request.set_proxy(proxy.address, "http")
        return None  # the next handler opens it

    https_open = http_open


def new_opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Opens http and https addresses through the proxies and with the certificates of the environment."""
    return urllib.request.build_opener(EnvironmentProxies(), _LazyTls(), *handlers)


class _LazyTls(urllib.request.HTTPSHandler):
    """Loads certificates, which takes a while, only when the address is https."""

    def https_open(self, request: urllib.request.Request) -> Any:
        return urllib.request.HTTPSHandler(context=tls_context()).https_open(request)


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Whether no_proxy names the host: `*`, a domain, an address, a network, each with or without a port."""
    host = host.lower().rstrip(".")
    return any(_matches(one.strip().lower(), host, port) for one in exceptions.split(",") if one.strip())


def _matches(pattern: str, host: str, port: int) -> bool:
    if pattern == "*":
        return True
    if pattern.startswith("[") or pattern.count(":") == 1:
        name, _, number = pattern.rpartition(":") if not pattern.endswith("]") else (pattern, "", "")
        if number and number != str(port):
            return False
        pattern = name.strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        domain = pattern.lstrip("*").lstrip(".")
        return bool(domain) and (host == domain or host.endswith("." + domain))
