"""What drivers raise when a server dies or a disk fails, as the errors of the database port."""

import sqlite3

import asyncpg
import pytest

from swarming_common.database.failures import ConnectionLost, leaves_connection_usable, translated
from swarming_common.errors import DatabaseAway, DataRejected


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (
            asyncpg.InternalClientError("another operation (2) is in progress"),
            ConnectionLost,
        ),
        (asyncpg.exceptions.ProtocolError("garbled"), ConnectionLost),
        (asyncpg.InterfaceError("connection is closed"), ConnectionLost),
        (asyncpg.AdminShutdownError("terminating connection"), ConnectionLost),
        (asyncpg.InvalidCachedStatementError("cached statement plan is invalid"), ConnectionLost),
        (asyncpg.exceptions.DiskFullError("no space left"), DatabaseAway),
        (asyncpg.exceptions.InternalServerError("could not read block"), DatabaseAway),
        (ConnectionResetError(), ConnectionLost),
        (TimeoutError(), DatabaseAway),
        (sqlite3.OperationalError("database or disk is full"), DatabaseAway),
        (sqlite3.DatabaseError("database disk image is malformed"), DatabaseAway),
        (asyncpg.UniqueViolationError("there already"), DataRejected),
        (sqlite3.IntegrityError("there already"), DataRejected),
    ],
)
def test_nothing_that_a_server_s_death_can_cause_is_a_mistake_of_ours(raised, expected):
    with pytest.raises(expected), translated():
        raise raised


@pytest.mark.parametrize("raised", [asyncpg.PostgresSyntaxError("SELEC"), sqlite3.ProgrammingError("closed")])
def test_a_mistake_of_ours_comes_out_as_it_is(raised):
    with pytest.raises(type(raised)), translated():
        raise raised


def test_a_connection_is_used_again_only_after_an_error_that_the_server_told():
    assert leaves_connection_usable(asyncpg.UniqueViolationError("there already"))
    for error in (TimeoutError(), asyncpg.InternalClientError(""), asyncpg.AdminShutdownError(""), ValueError()):
        assert not leaves_connection_usable(error)
