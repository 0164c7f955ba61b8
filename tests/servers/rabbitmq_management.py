"""RabbitMQ's management API: virtual hosts made and removed in milliseconds."""

from urllib.parse import quote, unquote, urlsplit

import httpx

from tests.servers.instance import Instance


class Management:
    """The management API of one broker, for the account in its AMQP address."""

    def __init__(self, broker: Instance) -> None:
        self._broker = broker
        self._client = httpx.Client(timeout=30, trust_env=False)

    def version(self) -> str:
        """The version of the broker; raises httpx.HTTPError if it does not answer."""
        return str(self._call("GET", "overview").json()["rabbitmq_version"])

    def answers(self) -> bool:
        """Whether there is such an API, and the account may use it."""
        try:
            self.version()
        except (httpx.HTTPError, KeyError, ValueError):
            return False
        return True

    def make_vhost(self, name: str) -> None:
        """Make a virtual host in which the account may do everything."""
        self._call("PUT", f"vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._call("PUT", f"permissions/{name}/{quote(self._account[0], safe='')}", everything)

    def remove_vhost(self, name: str) -> None:
        """Remove a virtual host with all in it; seconds, where quorum queues are in it that have just come back."""
        self._call("DELETE", f"vhosts/{name}")

    def close(self) -> None:
        """Drop the connections to it."""
        self._client.close()

    @property
    def _account(self) -> tuple[str, str]:
        parts = urlsplit(self._broker.url)
        return unquote(parts.username or "guest"), unquote(parts.password or "guest")

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        url = f"{self._broker.management_url}/api/{path}"
        return self._client.request(method, url, json=body, auth=self._account).raise_for_status()
