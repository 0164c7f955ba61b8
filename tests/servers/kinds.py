"""The three kinds of servers: what they are called in the environment, as images and as packages."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of server, and the names under which the sources know it."""

    name: str
    """As in the marker `real`."""
    title: str
    url_variable: str
    image_variable: str
    default_image: str
    debian_package: str
    brew_formula: str

    @property
    def given_url(self) -> str | None:
        """The address to use, if the environment gives one."""
        return os.environ.get(self.url_variable) or None

    @property
    def image(self) -> str:
        """The container image to use where a Docker engine answers."""
        return os.environ.get(self.image_variable) or self.default_image


POSTGRES = Kind(
    name="postgres",
    title="PostgreSQL",
    url_variable="SWARMING_TEST_POSTGRES_URL",
    image_variable="POSTGRES_IMAGE",
    default_image="postgres:15",
    debian_package="postgresql",
    brew_formula="postgresql",
)
RABBITMQ = Kind(
    name="rabbitmq",
    title="RabbitMQ",
    url_variable="SWARMING_TEST_RABBITMQ_URL",
    image_variable="RABBITMQ_IMAGE",
    default_image="rabbitmq:3.10-management",
    debian_package="rabbitmq-server",
    brew_formula="rabbitmq",
)
REDIS = Kind(
    name="redis",
    title="Redis",
    url_variable="SWARMING_TEST_REDIS_URL",
    image_variable="REDIS_IMAGE",
    default_image="redis:7",
    debian_package="redis-server",
    brew_formula="redis",
)
KINDS = {kind.name: kind for kind in (POSTGRES, RABBITMQ, REDIS)}
