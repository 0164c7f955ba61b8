"""The distributed bus, on RabbitMQ 3.10 or newer."""

from swarming_common.bus.rabbitmq.bus import RabbitMQBus, open_rabbitmq

__all__ = ["RabbitMQBus", "open_rabbitmq"]
