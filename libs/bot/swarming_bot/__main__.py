"""Run the bot as `python3 -m swarming_bot`."""

import sys

from swarming_bot.command import main

if __name__ == "__main__":
    sys.exit(main())
