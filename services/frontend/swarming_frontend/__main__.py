"""Run the frontend as a process of its own."""

from swarming_common.process import main
from swarming_frontend.bootstrap import build
from swarming_frontend.settings import FrontendSettings

if __name__ == "__main__":
    main("frontend", FrontendSettings, lambda settings: settings.frontend_port, build)
