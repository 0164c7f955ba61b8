"""`server/details` and `server/token`: what this installation is, and how a machine joins it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from swarming_common.release import server_version
from swarming_frontend.api.encoding import present, reply, timestamp
from swarming_frontend.api.given import Settings, Use
from swarming_frontend.identity import caller_of

router = APIRouter(prefix="/server", tags=["server"])


@router.get("/details")
async def details(use: Use) -> Response:
    """The version of the server, and that of the code its bots should run."""
    current = await use.current_bot_code(use.clock.now())
    return reply(
        present(
            server_version=server_version(),
            bot_version=None if current is None else current.version,
        )
    )


@router.post("/token")
async def token(request: Request, use: Use, settings: Settings) -> Response:
    """A token with which a machine may fetch the bot within the hour, and (an extension) the line to run there."""
    public_url = settings.public_url.rstrip("/")
    made = await use.enrol(str(caller_of(request)), use.clock.now())
    return reply(
        present(
            bootstrap_token=made.token,
            expires_ts=timestamp(made.expires),
            command=f'curl -sSL "{public_url}/bootstrap?tok={made.token}" | python3 -',
        )
    )
