"""Let a machine join: a token that is good for an hour."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_common.bot_code.enrolment import LIFETIME, digest_of, new_token
from swarming_common.database.port import Database
from swarming_frontend.store.uploads import write_token

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentToken:
    """A token, which is told once and kept nowhere, and until when it is good."""

    token: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Enrol:
    """Makes tokens."""

    database: Database

    async def __call__(self, by: str, now: datetime) -> EnrolmentToken:
        """A new token. Raises DatabaseAway."""
        made = EnrolmentToken(token=new_token(), expires=now + LIFETIME)
        digest = digest_of(made.token)
        await self.database.write(lambda connection: write_token(connection, digest, by, now, made.expires))
        log.info("enrolment_token_made", by=by)
        return made
