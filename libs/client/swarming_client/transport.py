"""One question to the server and its answer; a server that is away is asked again for a while."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from swarming_client.certificates import tls_context
from swarming_client.errors import (
    NotAllowed,
    NotFound,
    RequestRefused,
    ServerUnavailable,
    UnexpectedReply,
    UsageError,
)
from swarming_client.messages import Json
from swarming_client.server_address import API_PATH, is_on_this_machine

RETRY_SECS = 30.0  # long enough for a server to restart, short enough for someone who mistyped its address
FIRST_RETRY_DELAY_SECS = 0.2
LONGEST_RETRY_DELAY_SECS = 5.0
CONNECT_TIMEOUT_SECS = 10.0
ANSWER_TIMEOUT_SECS = 30.0  # on top of the time for which the server was asked to hold the answer
TRANSIENT_STATUSES = frozenset({408, 429})  # besides every 5xx
USER_AGENT = "swarming-client/0.1.0"

Query = Mapping[str, str | int | float | list[str]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A question: where, with what, and for how long (seconds) the server may hold its answer."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    """A body that is not JSON, in place of `body`."""
    hold_secs: float = 0.0


class Transport:
    """Sends calls, and sends them again while the server is away: every call of this API may be repeated.

    Safe to use from several threads. `on_trouble` hears of the first failure of a call, in words for people.
    """

    def __init__(
        self,
        server: str,
        *,
        retry_secs: float = RETRY_SECS,
        on_trouble: Callable[[str], None] | None = None,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._retry_secs = retry_secs
        self._on_trouble = on_trouble
        self._http = http or open_http(server)
        self._sleep = sleep
        self._monotonic = monotonic
        self._server_has_answered = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, path: str) -> bytes:
        """Return what is at a path of the server, whatever it is; asked once. Raises a SwarmingError."""
        try:
            reply = self._http.get(f"{self._server}{path}", timeout=httpx.Timeout(ANSWER_TIMEOUT_SECS))
        except httpx.HTTPError as error:
            raise ServerUnavailable(f"{self._server} cannot be reached ({_reason(error)})") from error
        if not reply.is_success:
            kind = NotFound if reply.status_code == 404 else RequestRefused
            raise kind(f"{path}: {reply.status_code} {reply.reason_phrase}", reply.status_code)
        return reply.content

    def send(self, call: Call) -> Json:
        """Return the JSON object that answers the call; raises a SwarmingError."""
        give_up_at: float | None = None
        for least_delay in retry_delays():
            try:
                return self._send_once(call)
            except _Transient as failure:
                now, first = self._monotonic(), give_up_at is None
                give_up_at = now + self._retry_secs if give_up_at is None else give_up_at
                delay = max(least_delay, failure.retry_after_secs)
                if now + delay >= give_up_at:
                    raise ServerUnavailable(f"{self._server} {failure}") from failure
                if first and self._on_trouble:
                    self._on_trouble(f"{self._server} {failure}; trying again for up to {self._retry_secs:g} s")
                self._sleep(delay)
        raise AssertionError("the delays never end")

    def _send_once(self, call: Call) -> Json:
        timeout = httpx.Timeout(call.hold_secs + ANSWER_TIMEOUT_SECS, connect=CONNECT_TIMEOUT_SECS)
        try:
            reply = self._http.request(
                call.method,
                f"{self._server}{API_PATH}{call.path}",
                params=dict(call.query),
                json=call.body,
                content=call.content,
                timeout=timeout,
            )
        except httpx.TimeoutException as error:
            raise _Transient("does not answer in time") from error
        except httpx.TransportError as error:
            raise _Transient(f"cannot be reached ({_reason(error)})") from error
        except UnicodeEncodeError as error:
            before = error.object[: error.start][-30:]
            raise UsageError(f"expected text in UTF-8, got other bytes behind {before!r}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnexpectedReply(f"{self._server}: {_reason(error)}") from error
        try:
            return self._read(reply)
        except _Foreign as error:
            # Whoever mistyped the address hears of it at once. Between two answers of the server it is trouble on the
            # way (a login page, a proxy), and a command that has waited for hours does not end for it.
            if self._server_has_answered:
                raise _Transient(str(error)) from error
            raise UnexpectedReply(f"{self._server} {error}") from error

    def _read(self, reply: httpx.Response) -> Json:
        if is_transient(reply):
            raise _Transient(f"answers {reply.status_code}: {error_message(reply)}", _retry_after(reply))
        value = _object(reply)
        if reply.is_redirect:
            raise _Foreign(f"redirects to {reply.headers.get('location', 'elsewhere')}: is this the right address?")
        if reply.is_success and value is None:
            raise _Foreign("does not answer in JSON: is it a Swarming server?")
        if value is None or not (reply.is_success or isinstance(value.get("error"), (dict, str))):
            raise _Foreign(f"answers {reply.status_code}, and not as a Swarming server: is there a proxy on the way?")
        self._server_has_answered = True
        if reply.is_success:
            return value
        kinds = {401: NotAllowed, 403: NotAllowed, 404: NotFound}
        kind = kinds.get(reply.status_code, RequestRefused)
        raise kind(error_message(reply), reply.status_code)


class _Transient(Exception):
    """A failure that may pass by itself."""

    def __init__(self, message: str, retry_after_secs: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs


class _Foreign(Exception):
    """An answer that no Swarming server gives."""


def open_http(server: str) -> httpx.Client:
    """Make the HTTP client for a server, with the proxies and certificates that the environment names.

    Raises UsageError if they cannot be used.
    """
    # Plain HTTP needs no certificates, whose loading takes longer than the rest of the start.
    verify = tls_context() if server.startswith("https:") else False
    try:
        # A proxy for the outside world cannot reach this machine's own loopback.
        trust_env = not is_on_this_machine(server)
        return httpx.Client(headers={"User-Agent": USER_AGENT}, verify=verify, trust_env=trust_env)
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        # Neither the address nor the error is quoted: there may be a password in it.
        wanted = "something like http://user:password@proxy:3128"
        raise UsageError(f"http_proxy, https_proxy or all_proxy: expected {wanted}") from error


def retry_delays() -> Iterator[float]:
    """Yield seconds to wait before each retry: growing, and spread lest all clients return at once."""
    delay = FIRST_RETRY_DELAY_SECS
    while True:
        yield delay * random.uniform(0.5, 1.0)
        delay = min(delay * 2, LONGEST_RETRY_DELAY_SECS)


def is_transient(reply: httpx.Response) -> bool:
    """Say whether asking again may help; a 404 that is not JSON comes from something in between."""
    stranger = reply.status_code == 404 and "json" not in reply.headers.get("content-type", "")
    return reply.is_server_error or reply.status_code in TRANSIENT_STATUSES or stranger


def error_message(reply: httpx.Response) -> str:
    """Take the server's own words out of an error reply, in one line."""
    try:
        message = reply.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = None
    return " ".join(str(message or reply.reason_phrase or "no reason given").split())


def _object(reply: httpx.Response) -> Json | None:
    try:
        value = reply.json()
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _retry_after(reply: httpx.Response) -> float:
    value = reply.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _reason(error: Exception) -> str:
    words = str(error) or type(error).__name__
    return words.partition("] ")[2] or words  # "[Errno 111] Connection refused" without its number
