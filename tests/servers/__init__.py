"""Real PostgreSQL, RabbitMQ and Redis for tests, from whatever source this machine has.

A process of the test run (each worker of pytest-xdist) has servers of its own, so a test may cut, refuse, restart
or empty them without disturbing the other worker. See plugin.py for the fixtures.
"""

from tests.servers.collection import Servers, open_servers
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import RedisServer

__all__ = ["PostgresServer", "RabbitMQServer", "RedisServer", "Servers", "open_servers"]
