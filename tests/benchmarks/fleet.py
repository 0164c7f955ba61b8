"""A made-up fleet and the dimension sets that its users ask for; the same for the same numbers.

The machines come in 500 kinds, which differ in their system, size, GPU and caches; and every bot is a class of its own,
since besides its id it has a serial number. The sets ask for a system, often for a cache that only some bots have, and
at times for a GPU or one of two sizes. A kind that could serve less than a hundredth of the sets is given more caches.
Users ask for what there is: for each task a kind is drawn, and then one of the sets that it can serve.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from swarming_common.model.dimensions import BotDimensions, Requirements, matches, requirements

SMALLEST_SHARE = 0.01

SYSTEMS = {
    "Linux": ["Ubuntu", "Ubuntu-22", "Ubuntu-22.04"],
    "Windows": ["Windows-10", "Windows-10-19045"],
    "Mac": ["Mac-14", "Mac-14.5"],
}
CORES = ["4", "8", "16", "32"]
GPUS = ["none", "intel", "nvidia", "amd"]
CACHES = [f"builder-{number}" for number in range(40)]
CACHES_OF_A_KIND = 8
KINDS = 500


Dimensions = dict[str, list[str]]


@dataclass(frozen=True)
class Fleet:
    """The bots, and what is asked of them."""

    bots: list[str]
    """Their dimensions in JSON, as gateways send them; an offer is decoded anew each time, as a scheduler does."""
    sets: list[Requirements]
    sets_of_kind: list[list[Requirements]]
    """What each kind of machine can serve."""

    @property
    def shares(self) -> list[float]:
        """Which part of the sets each kind can serve, in rising order."""
        return sorted(len(served) / len(self.sets) for served in self.sets_of_kind)

    def demand(self, random: Random) -> Iterator[Requirements]:
        """What one task after the other asks for; endless."""
        while True:
            yield random.choice(random.choice(self.sets_of_kind))


def decoded(bot: str) -> BotDimensions:
    """A bot's dimensions, made anew."""
    return {key: tuple(values) for key, values in json.loads(bot).items()}


def a_fleet(bots: int, sets: int) -> Fleet:
    """So many bots, as many of each kind, for so many distinct sets."""
    random = Random(f"{bots} {sets}")
    asked = _sets(random, sets)
    kinds = [_kind(random, asked) for _ in range(KINDS)]
    made = [
        {"id": [f"bot-{number:05}"], "serial": [f"{random.getrandbits(64):016x}"]} | kinds[number % KINDS]
        for number in range(bots)
    ]
    return Fleet([json.dumps(bot) for bot in made], asked, [_served(kind, asked) for kind in kinds])


def _sets(random: Random, count: int) -> list[Requirements]:
    if count == 1:
        return [requirements([("pool", "bench"), ("kvm", "1")])]
    found: dict[Requirements, None] = {}
    while len(found) < count:
        family = random.choice(list(SYSTEMS))
        pairs = [("pool", "bench"), ("os", random.choice([family, *SYSTEMS[family]]))]
        if random.random() < 0.8:
            pairs.append(("caches", random.choice(CACHES)))
        if random.random() < 0.3:
            pairs.append(("gpu", random.choice(GPUS)))
        if random.random() < 0.5:
            pairs.append(("cores", "|".join(random.sample(CORES, 2))))
        found[requirements(pairs)] = None
    return list(found)


def _kind(random: Random, sets: list[Requirements]) -> Dimensions:
    family = random.choice(list(SYSTEMS))
    caches = random.sample(CACHES, len(CACHES))
    kind = {
        "pool": ["bench"],
        "os": [family, *SYSTEMS[family]],
        "cpu": ["x86", "x86-64"],
        "cores": [random.choice(CORES)],
        "gpu": [random.choice(GPUS)],
        "kvm": ["1"],
        "zone": [f"zone-{random.randrange(4)}"],
        "python": ["3", "3.11"],
        "machine_type": [f"n2-standard-{random.choice(CORES)}"],
        "caches": caches[:CACHES_OF_A_KIND],
    }
    while len(_served(kind, sets)) < SMALLEST_SHARE * len(sets):
        kind["caches"].append(caches[len(kind["caches"])])
    return kind


def _served(kind: Dimensions, sets: list[Requirements]) -> list[Requirements]:
    dimensions = {key: tuple(values) for key, values in kind.items()}
    return [asked for asked in sets if matches(asked, dimensions)]
