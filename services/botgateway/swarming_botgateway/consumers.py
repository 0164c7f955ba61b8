"""Who reacts to which hint."""

from collections.abc import Callable
from typing import Any

from swarming_botgateway.offers import Offers
from swarming_botgateway.roll_call import RollCall
from swarming_common.bus.port import HintReader
from swarming_common.hints.gateway import (
    BidMade,
    BotCommandsGiven,
    BotFilesChanged,
    BotSettingChanged,
    RunAssigned,
    ShardAlive,
)
from swarming_common.hints.wire import Hint


def hint_reader(
    offers: Offers,
    roll_call: RollCall,
    on_setting: Callable[[BotSettingChanged], None],
    on_commands: Callable[[BotCommandsGiven], None],
    on_files: Callable[[BotFilesChanged], None],
) -> HintReader:
    """Reads the gateway's mailbox."""
    reactions: dict[type[Hint], Callable[[Any], None]] = {
        RunAssigned: offers.assign,
        BidMade: offers.take_bid,
        ShardAlive: roll_call.hear,
        BotSettingChanged: on_setting,
        BotCommandsGiven: on_commands,
        BotFilesChanged: on_files,
    }

    def read(hint: Hint) -> None:
        react = reactions.get(type(hint))
        if react is not None:
            react(hint)

    return read
