"""Servers in containers, through testcontainers, where a Docker engine answers."""

import contextlib
import functools
import os
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.servers.installed import MAX_CONNECTIONS, PASSWORD, REDIS_DATABASES, USER
from tests.servers.instance import Instance
from tests.servers.kinds import POSTGRES, RABBITMQ, REDIS, Kind
from tests.servers.ports import free_port

MANAGEMENT_PORT = 15672
_PORTS = {POSTGRES: 5432, RABBITMQ: 5672, REDIS: 6379}
_ENVIRONMENT = {
    POSTGRES: {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": PASSWORD},
    RABBITMQ: {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": PASSWORD},
    REDIS: {},
}
_COMMANDS = {
    POSTGRES: f"postgres -c max_connections={MAX_CONNECTIONS}",
    RABBITMQ: None,
    REDIS: f"redis-server --databases {REDIS_DATABASES} --save '' --appendonly no",
}
_URLS = {
    POSTGRES: f"postgresql://{USER}:{PASSWORD}@{{host}}:{{port}}/postgres",
    RABBITMQ: f"amqp://{USER}:{PASSWORD}@{{host}}:{{port}}/",
    REDIS: "redis://{host}:{port}/0",
}


@functools.cache
def engine_answers() -> bool:
    """Whether there is a Docker engine to use."""
    return _engine() is not None


def has_image(image: str) -> bool:
    """Whether the engine has the image already."""
    from docker.errors import DockerException

    try:
        _engine().images.get(image)
    except DockerException:
        return False
    return True


def fetch_image(image: str, say: Callable[[str], None]) -> bool:
    """Whether the engine has the image, pulled if need be."""
    from docker.errors import DockerException

    if has_image(image):
        return True
    say(f"Pulling the image {image}")
    try:
        _engine().images.pull(image)
    except DockerException as error:
        say(f"The Docker engine answers, but the image {image} cannot be had: {error}")
        return False
    return True


class Container(Instance):
    """A server in a container, at a port that stays the same when it is made anew."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._port = free_port()
        self._management_port = free_port()
        self._container: Any = None
        self.provided = f"a container of {kind.image}"

    def start(self) -> None:
        if self._container is None:
            self._container = self._new().start()
        else:
            self._container.get_wrapped_container().start()
        # Where the run is itself in a container, the address is that of the new container, and not our port.
        host = self._container.get_container_host_ip()
        self.url = _URLS[self._kind].format(host=host, port=self._container.get_exposed_port(_PORTS[self._kind]))
        if self._kind is RABBITMQ:
            self.management_url = f"http://{host}:{self._container.get_exposed_port(MANAGEMENT_PORT)}"

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def wipe(self) -> None:
        self._container.stop(force=True, delete_volume=True)
        self._container = None

    def close(self) -> None:
        if self._container is not None:
            self.wipe()

    def died(self) -> str | None:
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status in ("created", "running"):
            return None
        return str(container.logs(tail=20).decode(errors="replace"))

    def _new(self) -> Any:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # Its cleaner needs an image of its own; without it, containers are removed by us alone.
        if not fetch_image(testcontainers_config.ryuk_image, say=lambda _: None):
            testcontainers_config.ryuk_disabled = True
        container = DockerContainer(self._kind.image).with_bind_ports(_PORTS[self._kind], self._port)
        for name, value in _ENVIRONMENT[self._kind].items():
            container = container.with_env(name, value)
        if command := _COMMANDS[self._kind]:
            container = container.with_command(command)
        if self._kind is RABBITMQ:
            container = container.with_bind_ports(MANAGEMENT_PORT, self._management_port)
        return container


@functools.cache
def _engine() -> Any:
    """The client of the engine, or None; its library is imported late, since few runs need it."""
    if not _somebody_listens():
        return None
    import docker

    with contextlib.suppress(docker.errors.DockerException):
        client = docker.from_env(timeout=600)
        client.ping()
        return client
    return None


def _somebody_listens() -> bool:
    """Whether it is worth asking: Docker's library leaves its socket open when nobody answers."""
    address = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        if address.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as attempt:
                attempt.connect(address.path)
        elif address.hostname:
            socket.create_connection((address.hostname, address.port or 2375), timeout=5).close()
    except OSError:
        return False
    return True
