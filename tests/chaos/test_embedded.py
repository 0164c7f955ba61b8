"""kill -9 of the one process of the embedded form, again and again, while it works on tasks."""

import pytest

from tests.chaos.aftermath import Aftermath, settle
from tests.chaos.assault import Assault
from tests.chaos.flight import BOT_DIMENSIONS, Flight
from tests.chaos.promises import Promises
from tests.cluster import Standalone
from tests.cluster.workload import Journal

SETTINGS = {"SWARMING_SILENCE_MARGIN_SECONDS": "3", "SWARMING_CONFIRM_SECONDS": "10"}
KILLS = 3


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("chaos")
    with Standalone(folder, SETTINGS) as standalone:
        yield _fly(standalone, Journal(folder / "journal"))


def _fly(standalone: Standalone, journal: Journal) -> Aftermath:
    standalone.start_bots(9, name="together", dimensions=BOT_DIMENSIONS)
    standalone.start_bots(name="alone", dimensions=BOT_DIMENSIONS)
    flight = Flight(standalone, journal, tasks=70, at_once=40, submitters=3, pause_seconds=0.8)
    assault = Assault(standalone, journal)
    flight.start()
    assault.kill_bot("alone", comes_back=True)
    for _ in range(KILLS):
        assault.wait_for_progress(3)
        assault.kill_service("standalone")
    return settle(flight, assault)


@pytest.mark.timeout(200)
class TestEmbedded(Promises):
    """After all the kills."""
