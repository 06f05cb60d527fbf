"""The closed vocabulary: what can be said about a scene, in every language of the suite.

`languages.yaml` is the hand-made translation table; this module reads it and builds captions from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

COLOURS = ("red", "yellow", "green", "blue", "purple", "orange", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "moon")
SIZES = ("small", "big")
TEXTURES = ("striped", "dotted", "checkered")
COUNTS = ("one", "two", "three", "four", "five")
RELATIONS = ("above", "below", "left of", "right of")
PLACES = ("on grass", "on sand", "at sea", "at night")
KINDS = {
    "colours": COLOURS,
    "shapes": SHAPES,
    "sizes": SIZES,
    "textures": TEXTURES,
    "counts": COUNTS,
    "relations": RELATIONS,
    "places": PLACES,
}


@dataclass(frozen=True)
class Language:
    """One language: its word for each English word, and how its words are put together."""

    words: dict[str, str]
    plurals: dict[str, str]
    noun_first: bool
    reversed_relation: bool
    spaces: bool

    def join(self, *parts: str) -> str:
        return (" " if self.spaces else "").join(part for part in parts if part)

    def thing(self, shape: str, *adjectives: str, count: str = "") -> str:
        """A noun phrase such as "two small red circle"; empty adjectives are left out."""
        said = [self.words[a] for a in adjectives if a]
        noun = (self.plurals if count not in ("", "one") else self.words)[shape]
        number = self.words[count] if count else ""
        return self.join(number, noun, *said) if self.noun_first else self.join(number, *said, noun)

    def related(self, first: str, relation: str, second: str) -> str:
        a, b = (second, first) if self.reversed_relation else (first, second)
        return self.join(a, self.words[relation], b)


@cache
def languages() -> dict[str, Language]:
    """Every language by its code, alphabetically; each knows every word of the vocabulary."""
    text = (resources.files(__package__) / "languages.yaml").read_text(encoding="utf-8")
    table: dict[str, dict[str, str | bool]] = yaml.safe_load(text)
    return {code: _language(code, entry) for code, entry in table.items()}


def _language(code: str, entry: dict[str, str | bool]) -> Language:
    words: dict[str, str] = {}
    for kind, english in KINDS.items():
        own = str(entry[kind]).split(", ")
        if len(own) != len(english):
            raise ValueError(f"languages.yaml: {code} has {len(own)} {kind}, not {len(english)}")
        words.update(zip(english, own, strict=True))
    plurals = dict(zip(SHAPES, str(entry.get("plurals", entry["shapes"])).split(", "), strict=True))
    return Language(
        words,
        plurals,
        entry.get("noun") == "first",
        entry.get("relation") == "b rel a",
        entry.get("spaces", True) is True,
    )
