"""Things with a look and a page in a small encyclopaedia."""

from __future__ import annotations

import random
from functools import cache

from pytest_mieb.miniature.classes import classes
from pytest_mieb.miniature.pages import PLACES as COUNTRIES
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.words import PLACES

SOURCES = ("mteb/birdsnap", "mteb/StanfordCars", "mteb/food101", "mteb/oxford-flowers", "mteb/Caltech101")
SECTIONS = ("name", "place", "country")
QUESTIONS = {
    "name": ("What is the name of this {}?", "Which {} is this?"),
    "place": ("Where can one see this {}?", "In what surroundings is this {} found?"),
    "country": ("In which country was this {} first described?", "Which country does this {} come from?"),
}
Entity = tuple[str, str]
"""Domain of the look and name."""


@cache
def entities() -> tuple[Entity, ...]:
    return tuple((classes()[path].domain, name) for path in SOURCES for name in classes()[path].names)


def title(entity: Entity) -> str:
    return entity[1].replace("_", " ")


def paragraph(entity: Entity, section: str) -> str:
    """What the encyclopaedia says; the facts are the entity's own."""
    domain, _ = entity
    name, own = title(entity), generator("facts", *entity)
    place, country = own.choice(PLACES), own.choice(COUNTRIES)
    return {
        "name": f"The {name} is a kind of {domain}.",
        "place": f"The {name} can be seen {place}, its usual surroundings.",
        "country": f"The {name} was first described in {country}.",
    }[section]


def question(entity: Entity, section: str, rng: random.Random) -> str:
    return rng.choice(QUESTIONS[section]).format(entity[0])
