from collections.abc import AsyncIterator

import pytest

from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.parked import Parking
from swarming_common.bus.parked_file import ParkedFile
from swarming_common.bus.port import Bus
from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.bus.rabbitmq.parking import rabbitmq_parking
from swarming_common.testing.contracts.bus import EventsContract, HintsContract
from swarming_common.testing.contracts.parking import ParkingContract


class InProcess:
    @pytest.fixture
    def parking(self) -> ParkedFile:
        return ParkedFile()

    @pytest.fixture
    async def bus(self, parking: ParkedFile) -> AsyncIterator[Bus]:
        bus = InProcessBus(parking)
        yield bus
        await bus.close()

    @pytest.fixture
    def other_bus(self, bus: Bus) -> Bus:
        return bus


class RabbitMQ:
    @pytest.fixture
    async def parking(self, rabbitmq_url: str) -> AsyncIterator[Parking]:
        async with rabbitmq_parking(rabbitmq_url) as parking:
            yield parking

    @pytest.fixture
    async def bus(self, rabbitmq_url: str) -> AsyncIterator[Bus]:
        bus = await open_rabbitmq(rabbitmq_url)
        yield bus
        await bus.close()

    @pytest.fixture
    async def other_bus(self, rabbitmq_url: str) -> AsyncIterator[Bus]:
        bus = await open_rabbitmq(rabbitmq_url)
        yield bus
        await bus.close()


class TestHintsInProcess(InProcess, HintsContract):
    pass


class TestEventsInProcess(InProcess, EventsContract):
    pass


class TestParkingInProcess(InProcess, ParkingContract):
    pass


@pytest.mark.real("rabbitmq")
class TestHintsOnRabbitMQ(RabbitMQ, HintsContract):
    pass


@pytest.mark.real("rabbitmq")
class TestEventsOnRabbitMQ(RabbitMQ, EventsContract):
    pass


@pytest.mark.real("rabbitmq")
class TestParkingOnRabbitMQ(RabbitMQ, ParkingContract):
    pass
