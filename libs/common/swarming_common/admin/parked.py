"""`swarming admin parked`, `replay` and `drop`: what could not be digested, for an operator."""

import argparse
import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from swarming_common.bus.parked import Outcome, Parked, Parking, ParkingUnusable
from swarming_common.bus.parked_file import FILE_NAME, ParkedFile
from swarming_common.bus.port import BusAway
from swarming_common.bus.rabbitmq.parking import rabbitmq_parking
from swarming_common.errors import SwarmingError

DEFAULT_LIMIT = 100
MAX_SHOWN_REASON = 200


def configure(actions: "argparse._SubParsersAction[Any]") -> None:
    """The actions and their options."""
    where = _where(os.environ.get("SWARMING_BUS_URL", ""), None)
    parked = actions.add_parser(
        "parked", parents=[where], help="list messages that could not be digested, or show one of them"
    )
    parked.add_argument("--json", action="store_true", help="a JSON list with all that is known of each")
    parked.add_argument("--limit", type=_count, default=DEFAULT_LIMIT, help="list so many, the oldest (%(default)s)")
    parked.usage = "%(prog)s [OPTION …] [show ID]"
    parked.set_defaults(act=_parked)
    # Without defaults, which would replace what was given before `show`.
    where_again = _where(argparse.SUPPRESS, argparse.SUPPRESS)
    show = parked.add_subparsers(metavar="show ID", prog="swarming admin parked").add_parser(
        "show", parents=[where_again], help="show this message whole"
    )
    show.add_argument("id", metavar="ID", help="as `swarming admin parked` lists it")
    show.set_defaults(act=_show_one)

    replay = actions.add_parser("replay", parents=[where], help="bring parked messages to their reader again")
    replay.set_defaults(act=_replay)
    drop = actions.add_parser("drop", parents=[where], help="remove parked messages for good")
    drop.set_defaults(act=_drop)
    for action in (replay, drop):
        action.add_argument("ids", nargs="*", metavar="ID", help="as `swarming admin parked` lists them")
        action.add_argument("--all", action="store_true", help="everything that is parked")


def _where(bus_url: str, data: str | None) -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--bus-url", default=bus_url, help="amqp://user:password@host/vhost (default: SWARMING_BUS_URL)")
    where.add_argument(
        "--data", type=Path, default=data, help="the folder of a `swarming standalone`, instead of RabbitMQ"
    )
    return where


def _parked(args: argparse.Namespace) -> int:
    return _at_the_bus(args, lambda parking: _list(parking, args))


def _show_one(args: argparse.Namespace) -> int:
    return _at_the_bus(args, lambda parking: _show(parking, args))


def _replay(args: argparse.Namespace) -> int:
    return _change(
        args, lambda parking, ids: parking.replay(ids), "replayed" if args.data is None else "to be replayed"
    )


def _drop(args: argparse.Namespace) -> int:
    return _change(args, lambda parking, ids: parking.drop(ids), "dropped")


async def _list(parking: Parking, args: argparse.Namespace) -> int:
    messages = await parking.parked(args.limit)
    if args.json:
        print(json.dumps([_fields(one) for one in messages], indent=2))
        return 0
    for one in messages:
        print("  ".join(_line(one)))
    if len(messages) == args.limit:
        sys.stderr.write(f"There may be more than these {args.limit}; see --limit.\n")
    elif not messages:
        sys.stderr.write("Nothing is parked.\n")
    return 0


async def _show(parking: Parking, args: argparse.Namespace) -> int:
    for one in await parking.parked():
        if one.id == args.id:
            print(json.dumps(_fields(one) | _body(one), indent=2))
            return 0
    return _complain(args, f"{args.id} is not parked", 1)


def _change(args: argparse.Namespace, change: Any, done: str) -> int:
    if bool(args.ids) == args.all:
        return _complain(args, "give the ids of messages, or --all", 2)

    async def act(parking: Parking) -> int:
        outcome: Outcome = await change(parking, None if args.all else args.ids)
        return _tell(args, outcome, done)

    return _at_the_bus(args, act)


def _tell(args: argparse.Namespace, outcome: Outcome, done: str) -> int:
    print(f"{len(outcome.done)} {done}")
    if args.data is not None and args.action == "replay" and outcome.done:
        sys.stderr.write("The standalone process does it within a second, or when it is started.\n")
    for id_ in outcome.unread:
        _complain(args, f"{id_} stays parked: nobody reads where it came from", 1)
    gone = [id_ for id_ in args.ids if id_ not in outcome.done and id_ not in outcome.unread]
    for id_ in gone:
        _complain(args, f"{id_} is not parked", 1)
    return 1 if gone or outcome.unread else 0


def _at_the_bus(args: argparse.Namespace, act: Any) -> int:
    async def go() -> int:
        async with _parking(args) as parking:
            code: int = await act(parking)
            return code

    try:
        return asyncio.run(go())
    except _NoBus as error:
        return _complain(args, str(error), 2)
    except BusAway as error:
        hint = "; for a `swarming standalone`, which has no RabbitMQ, give --data and its folder"
        return _complain(args, f"{error}{hint}", 1)
    except SwarmingError as error:
        return _complain(args, str(error), 1)


class _NoBus(SwarmingError):
    """No bus; give --bus-url or set SWARMING_BUS_URL, or, for a `swarming standalone`, give --data and its folder."""


@asynccontextmanager
async def _parking(args: argparse.Namespace) -> AsyncIterator[Parking]:
    if args.data is not None:
        path = args.data / FILE_NAME
        if not path.is_file():
            raise ParkingUnusable(f"{args.data} is no folder of a `swarming standalone`: it has no {FILE_NAME}")
        file = ParkedFile(path)
        try:
            yield file
        finally:
            file.close()
    elif args.bus_url:
        async with rabbitmq_parking(args.bus_url) as parking:
            yield parking
    else:
        raise _NoBus


def _line(one: Parked) -> Sequence[str]:
    source = f"{one.origin.value} {one.source}"
    tries = f"{one.tries} {'try' if one.tries == 1 else 'tries'}"
    size = f"{len(one.body)} bytes"
    reason = one.reason[:MAX_SHOWN_REASON]
    cells = (one.id, one.parked_at.isoformat(timespec="seconds"), source, one.kind or "-", size, tries, reason)
    # What strangers sent must not command a terminal, nor break a line.
    return ["".join(c if c.isprintable() else " " for c in cell) for cell in cells]


def _fields(one: Parked) -> dict[str, object]:
    return {
        "id": one.id,
        "parked_at": one.parked_at.isoformat(),
        "origin": one.origin.value,
        "source": one.source,
        "kind": one.kind,
        "reason": one.reason,
        "process": one.process,
        "tries": one.tries,
        "routing_key": one.routing_key,
        "headers": dict(one.headers),
        "size": len(one.body),
    }


def _body(one: Parked) -> dict[str, object]:
    """As text if it is one; else in base64."""
    try:
        return {"body": one.body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(one.body).decode()}


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {text!r}")
    return int(text)


def _complain(args: argparse.Namespace, message: str, code: int) -> int:
    sys.stderr.write(f"swarming admin {args.action}: {message}\n")
    return code
