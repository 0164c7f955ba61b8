"""The server's replies about bots, as messages.py has those about tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from swarming_client.messages import Json, time_of


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """What keeps a bot from work. `by` is `bot` for the bot itself, `swarming` for an automatic decision, else a
    person; `until` is None if somebody must end it."""

    reason: str
    by: str
    since: datetime | None
    until: datetime | None

    @classmethod
    def from_json(cls, json: Json | None) -> Restriction | None:
        """Read one, if there is one; raises KeyError, TypeError or ValueError when it is none."""
        if json is None:
            return None
        return cls(
            reason=json["reason"],
            by=json.get("by", ""),
            since=time_of(json.get("since_ts")),
            until=time_of(json.get("until_ts")),
        )


@dataclass(frozen=True, kw_only=True)
class BotInfo:
    """What the server knows of a bot; times are in UTC."""

    bot_id: str
    dimensions: Mapping[str, tuple[str, ...]]
    is_dead: bool
    quarantined: bool
    quarantine: Restriction | None
    """Why, by whom and for how long; None also where a server does not say."""
    maintenance: str | None
    maintenance_by: Restriction | None
    task_id: str | None
    task_name: str | None
    version: str | None
    external_ip: str | None
    first_seen: datetime | None
    last_seen: datetime | None
    deleted: bool
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotInfo:
        """Read a BotInfo; raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            bot_id=json["bot_id"],
            dimensions={d["key"]: tuple(d.get("value", ())) for d in json.get("dimensions", ())},
            is_dead=json.get("is_dead", False),
            quarantined=json.get("quarantined", False),
            quarantine=Restriction.from_json(json.get("quarantine")),
            maintenance=json.get("maintenance_msg"),
            maintenance_by=Restriction.from_json(json.get("maintenance")),
            task_id=json.get("task_id"),
            task_name=json.get("task_name"),
            version=json.get("version"),
            external_ip=json.get("external_ip"),
            first_seen=time_of(json.get("first_seen_ts")),
            last_seen=time_of(json.get("last_seen_ts")),
            deleted=json.get("deleted", False),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class BotList:
    """Bots; `json` is the API's reply with the items of all pages that were read."""

    items: tuple[BotInfo, ...]
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotList:
        """Read a (merged) BotList."""
        return cls(items=tuple(BotInfo.from_json(item) for item in json["items"]), json=json)


@dataclass(frozen=True, kw_only=True)
class BotEvent:
    """One thing that happened to a bot; `task_id` is the run's, if it is about one."""

    at: datetime
    event_type: str
    message: str
    task_id: str | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotEvent:
        """Read a BotEvent; raises KeyError, TypeError or ValueError when it is none."""
        at = time_of(json["ts"])
        if at is None:
            raise ValueError("an event without a time")
        return cls(
            at=at,
            event_type=json["event_type"],
            message=json.get("message", ""),
            task_id=json.get("task_id"),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class BotEventList:
    """Events of a bot, newest first; `json` is the API's reply with the items of all pages that were read."""

    items: tuple[BotEvent, ...]
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotEventList:
        """Read a (merged) list of BotEvents."""
        return cls(items=tuple(BotEvent.from_json(item) for item in json["items"]), json=json)
