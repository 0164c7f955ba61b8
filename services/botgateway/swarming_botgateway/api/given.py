"""What handlers may ask for: the use cases and the settings of the gateway that a request came to."""

from starlette.requests import Request

from swarming_botgateway.settings import BotGatewaySettings
from swarming_botgateway.usecases.registry import Usecases


def usecases_of(request: Request) -> Usecases:
    """What this gateway does for bots."""
    use: Usecases = request.scope["state"]["usecases"]
    return use


def settings_of(request: Request) -> BotGatewaySettings:
    """How this gateway is set up."""
    settings: BotGatewaySettings = request.scope["state"]["settings"]
    return settings
