"""What handlers may ask for: the use cases and the settings of the frontend that a request came to."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.registry import Usecases


def usecases_of(request: Request) -> Usecases:
    """What this frontend can do, for a handler below FastAPI."""
    use: Usecases = request.scope["state"]["usecases"]
    return use


def settings_of(request: Request) -> FrontendSettings:
    """How this frontend is set up, for a handler below FastAPI."""
    settings: FrontendSettings = request.scope["state"]["settings"]
    return settings


async def _usecases(request: Request) -> Usecases:
    return usecases_of(request)


async def _settings(request: Request) -> FrontendSettings:
    return settings_of(request)


# Asynchronous, as FastAPI would ask any other function in a thread.
Use = Annotated[Usecases, Depends(_usecases)]
Settings = Annotated[FrontendSettings, Depends(_settings)]
