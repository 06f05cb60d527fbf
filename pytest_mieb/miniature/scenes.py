"""Scenes: one or two groups of shapes, how they lie to each other and where; drawn and told in any language."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image

from pytest_mieb.miniature.drawing import PALETTE, ground, jittered, stamp
from pytest_mieb.miniature.words import COLOURS, COUNTS, PLACES, RELATIONS, SHAPES, SIZES, TEXTURES, languages

OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


@dataclass(frozen=True)
class Thing:
    """A group of equal shapes; the empty word means that nothing is said or special about it."""

    shape: str
    colour: str
    size: str = ""
    texture: str = ""
    count: int = 1

    def caption(self, language: str) -> str:
        count = COUNTS[self.count - 1] if self.count > 1 else ""
        return languages()[language].thing(self.shape, self.size, self.texture, self.colour, count=count)


@dataclass(frozen=True)
class Scene:
    """The first thing, perhaps a second one to which it stands in a relation, perhaps a place."""

    first: Thing
    second: Thing | None = None
    relation: str = ""
    place: str = ""

    def caption(self, language: str = "en") -> str:
        tongue = languages()[language]
        said = self.first.caption(language)
        if self.second:
            said = tongue.related(said, self.relation, self.second.caption(language))
        return tongue.join(said, tongue.words[self.place] if self.place else "")

    def turned(self) -> Scene:
        """The same picture told from the second thing's side."""
        assert self.second
        return replace(self, first=self.second, second=self.first, relation=OPPOSITE[self.relation])


def some_thing(rng: random.Random, plain: bool = False, most: int = 4) -> Thing:
    return Thing(
        shape=rng.choice(SHAPES),
        colour=rng.choice(COLOURS),
        size="" if plain else rng.choice(("", "", *SIZES)),
        texture="" if plain else rng.choice(("", "", "", *TEXTURES)),
        count=1 if plain else rng.choice((1, 1, 1, *range(1, most + 1))),
    )


def some_scene(rng: random.Random, pair: float = 0.6, plain: bool = False) -> Scene:
    """A scene; with probability `pair` of two things that differ in shape and in colour."""
    first = some_thing(rng, plain)
    place = rng.choice(("", "", *PLACES))
    if rng.random() >= pair:
        return Scene(first, place=place)
    second = some_thing(rng, plain, most=2)
    while second.shape == first.shape or second.colour == first.colour:
        second = some_thing(rng, plain, most=2)
    return Scene(first, second, rng.choice(RELATIONS), place)


def changed(scene: Scene, rng: random.Random) -> Scene:
    """The scene with one thing about it changed."""
    what = rng.choice(
        ("colour", "shape", "place", "count") if not scene.second else ("colour", "shape", "place", "second")
    )
    if what == "place":
        return replace(scene, place=rng.choice([p for p in ("", *PLACES) if p != scene.place]))
    if what == "second" and scene.second:
        colour = rng.choice([c for c in COLOURS if c not in (scene.second.colour, scene.first.colour)])
        return replace(scene, second=replace(scene.second, colour=colour))
    first = scene.first
    taken = (scene.second.colour, scene.second.shape) if scene.second else ()
    if what == "colour":
        first = replace(first, colour=rng.choice([c for c in COLOURS if c != first.colour and c not in taken]))
    elif what == "shape":
        first = replace(first, shape=rng.choice([s for s in SHAPES if s != first.shape and s not in taken]))
    else:
        first = replace(first, count=first.count % 4 + 1)
    return replace(scene, first=first)


def swapped(scene: Scene, rng: random.Random, ways: tuple[str, ...] = ("colour", "shape", "relation")) -> Scene:
    """A scene of the same words in which they are bound the other way round: another picture, a hard negative."""
    assert scene.second
    first, second = scene.first, scene.second
    match rng.choice(ways):
        case "colour":
            return replace(
                scene, first=replace(first, colour=second.colour), second=replace(second, colour=first.colour)
            )
        case "shape":
            return replace(scene, first=replace(first, shape=second.shape), second=replace(second, shape=first.shape))
        case _:
            return replace(scene, first=second, second=first)


def canvas_size(rng: random.Random) -> tuple[int, int]:
    return rng.choice((72, 80, 96, 112)), rng.choice((72, 80, 96))


def draw_scene(scene: Scene, rng: random.Random, size: tuple[int, int] | None = None) -> Image.Image:
    w, h = size or canvas_size(rng)
    image = ground((w, h), scene.place, rng)
    if scene.second is None:
        _draw_group(image, scene.first, (0, 0, w, h), rng)
        return image
    upright = scene.relation in ("above", "below")
    halves = ((0, 0, w, h / 2), (0, h / 2, w, h)) if upright else ((0, 0, w / 2, h), (w / 2, 0, w, h))
    first, second = halves if scene.relation in ("above", "left of") else halves[::-1]
    _draw_group(image, scene.first, first, rng)
    _draw_group(image, scene.second, second, rng)
    return image


def _draw_group(image: Image.Image, thing: Thing, box: tuple[float, float, float, float], rng: random.Random) -> None:
    """Place the group on a jittered grid inside the box."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    wide = w >= h
    along = thing.count if thing.count <= 3 and max(w, h) / min(w, h) > 1.4 else -(-thing.count // 2)
    across = -(-thing.count // along)
    columns, rows = (along, across) if wide else (across, along)
    cell_w, cell_h = w / columns, h / rows
    scale = {"small": 0.24, "": 0.34, "big": 0.46}[thing.size]
    radius = min(cell_w, cell_h) * scale * rng.uniform(0.92, 1.06)
    cells = [(c, r) for r in range(rows) for c in range(columns)]
    for column, row in rng.sample(cells, thing.count):
        slack_x, slack_y = max(0.0, cell_w / 2 - radius - 2), max(0.0, cell_h / 2 - radius - 2)
        x = x0 + (column + 0.5) * cell_w + rng.uniform(-0.6, 0.6) * slack_x
        y = y0 + (row + 0.5) * cell_h + rng.uniform(-0.6, 0.6) * slack_y
        stamp(image, thing.shape, (x, y), radius, jittered(PALETTE[thing.colour], rng), thing.texture)
