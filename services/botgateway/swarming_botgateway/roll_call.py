"""Keeps the shards' knowledge of our offers right: after a takeover, a broker restart, or a lost hint."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from swarming_botgateway.offers import Offers
from swarming_common.hints import addresses
from swarming_common.hints.gateway import ShardAlive
from swarming_common.hints.scheduler import OffersHeld
from swarming_common.hints.wire import Hint

log = structlog.get_logger(__name__)

SETTLING_SECONDS = 1.0
"""Offers made or ended so recently may or may not be counted by a shard already."""

OFFERS_IN_A_HINT = 200
"""Of some kilobytes each, far below what a broker takes, and a few milliseconds of the shard's time."""

TOLERATED_WRONG_COUNTS = 1
"""A single wrong number is a hint under way; two in a row are a lost one."""


@dataclass(eq=False)
class RollCall:
    """Compares what each shard says it knows with what is held."""

    offers: Offers
    send: Callable[[str, Hint], None]
    monotonic: Callable[[], float]
    _epochs: dict[int, int] = field(default_factory=dict)
    _wrong_counts: dict[int, int] = field(default_factory=dict)

    def hear(self, alive: ShardAlive) -> None:
        """A shard's word of the second; tells it all our offers if it cannot know them right."""
        self.offers.note_pending(alive.shard, alive.has_pending)
        counted = alive.offers.get(self.offers.gateway_id, 0)
        wrong = 0 if self._is_plausible(alive.shard, counted) else self._wrong_counts.get(alive.shard, 0) + 1
        self._wrong_counts[alive.shard] = wrong
        is_new_epoch = self._epochs.get(alive.shard) != alive.epoch
        self._epochs[alive.shard] = alive.epoch
        if is_new_epoch or wrong > TOLERATED_WRONG_COUNTS:
            self.tell(alive.shard)

    def tell(self, shard: int) -> None:
        """Send all offers for this shard; any other of ours is gone."""
        offers = tuple(one.offer for one in self.offers.held_for(shard))
        log.info("offers_told", shard=shard, offers=len(offers))
        self._wrong_counts[shard] = 0
        held: tuple[str, ...] | None = tuple(offer.offer_id for offer in offers)
        for start in range(0, max(len(offers), 1), OFFERS_IN_A_HINT):
            part = offers[start : start + OFFERS_IN_A_HINT]
            hint = OffersHeld(gateway_id=self.offers.gateway_id, offers=part, held=held)
            self.send(addresses.shard(shard), hint)
            held = None

    def _is_plausible(self, shard: int, counted: int) -> bool:
        held = self.offers.held_for(shard)
        recently = self.monotonic() - SETTLING_SECONDS
        settled = sum(one.opened <= recently for one in held)
        return settled <= counted <= len(held) + self.offers.ended_since(shard, recently)
