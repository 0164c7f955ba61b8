"""Enrolment tokens: what lets a new machine fetch the bot. They are kept as hashes and are good for an hour."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from swarming_common.database.tables import enrolment_token

LIFETIME = timedelta(hours=1)
"""Upstream's."""


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(24)


def digest_of(token: str) -> str:
    """What is kept of a token: whoever reads the table has no token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def is_good(connection: Connection, token: str, now: datetime) -> bool:
    """Whether this is a token of ours that has not expired."""
    query = select(enrolment_token.c.expires_ts).where(enrolment_token.c.digest == digest_of(token))
    expires = connection.execute(query).scalar_one_or_none()
    return expires is not None and now < expires
