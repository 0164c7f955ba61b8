"""Runs the bot gateway as a process of its own."""

from swarming_botgateway.bootstrap import build
from swarming_botgateway.settings import BotGatewaySettings
from swarming_common.process import main

if __name__ == "__main__":
    main("botgateway", BotGatewaySettings, lambda settings: settings.botgateway_port, build)
