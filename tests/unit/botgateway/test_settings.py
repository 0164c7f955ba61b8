"""Settings that contradict each other are refused."""

import pytest

from swarming_botgateway.settings import BotGatewaySettings
from swarming_common.settings import InvalidSetting


def test_a_waiting_bot_cannot_count_as_dead():
    assert BotGatewaySettings(hold_seconds=5, seen_seconds=3, bot_death_timeout_secs=9).hold_seconds == 5

    with pytest.raises(
        InvalidSetting, match=r"^SWARMING_BOT_DEATH_TIMEOUT_SECS: expected more than the 8 s .*, got 8$"
    ):
        BotGatewaySettings(hold_seconds=5, seen_seconds=3, bot_death_timeout_secs=8)
