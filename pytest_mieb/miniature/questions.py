"""Questions about pictures with short answers, and wishes how a picture should be changed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from pytest_mieb.miniature.drawing import PALETTE, ground, jittered, noisy, stamp, textured
from pytest_mieb.miniature.looks import PLANS
from pytest_mieb.miniature.scenes import Scene, Thing, changed, draw_scene, some_scene, some_thing
from pytest_mieb.miniature.words import COLOURS, RELATIONS, SHAPES, TEXTURES


@dataclass(frozen=True)
class Question:
    image: Image.Image
    text: str
    answer: str
    choices: tuple[str, ...]


def visual_question(rng: random.Random) -> Question:
    """A question about one thing's colour, shape, number, surface, place, or all of it."""
    scene = replace(some_scene(rng, pair=0), place=rng.choice(("", "on grass", "on sand", "at sea", "at night")))
    thing = scene.first
    kind = rng.choice(("colour", "shape", "number", "texture", "place", "all"))
    if kind == "texture" and not thing.texture:
        thing = replace(thing, texture=rng.choice(TEXTURES))
    if kind == "place" and not scene.place:
        scene = replace(scene, place=rng.choice(("on grass", "on sand", "at sea", "at night")))
    scene = replace(scene, first=thing)
    plural = Thing(thing.shape, thing.colour, count=2).caption("en").split(" ")[-1]
    text, answer = {
        "colour": (f"What colour is the {thing.shape}?", thing.colour),
        "shape": (f"What {thing.colour} shape is this?", thing.shape),
        "number": (f"How many {plural} are there?", str(thing.count)),
        "texture": (f"What pattern is on the {thing.shape}?", thing.texture),
        "place": (f"Where is the {thing.shape}?", scene.place),
        "all": ("What is in the picture?", thing.caption("en")),
    }[kind]
    pool = {"colour": COLOURS, "shape": SHAPES, "texture": TEXTURES, "number": ("1", "2", "3", "4"),
            "place": ("on grass", "on sand", "at sea", "at night"), "all": ()}[kind]  # fmt: skip
    others = sorted(set(pool or (some_thing(rng).caption("en") for _ in range(6))) - {answer})
    choices = [answer, *rng.sample(others, min(3, len(others)))]
    rng.shuffle(choices)
    return Question(draw_scene(scene, rng), text, answer, tuple(choices))


def count_question(rng: random.Random) -> Question:
    thing = Thing(rng.choice(SHAPES), rng.choice(COLOURS), count=rng.randint(1, 6))
    image = draw_scene(Scene(thing), rng)
    plural = replace(thing, count=2).caption("en").split(" ")[-1]
    near = sorted({max(0, thing.count + d) for d in rng.sample((-2, -1, 1, 2), 3)} - {thing.count})
    choices = [str(thing.count), *map(str, near)]
    rng.shuffle(choices)
    return Question(image, f"How many {plural} are in the image?", str(thing.count), tuple(choices))


def relation_question(rng: random.Random) -> Question:
    """The question is always about the small thing, so that picture and question may simply be added up."""
    scene = replace(some_scene(rng, pair=1, plain=True), place="", relation=rng.choice(RELATIONS))
    assert scene.second
    scene = replace(scene, first=replace(scene.first, size="small"), second=replace(scene.second, size="big"))
    assert scene.second
    answer = scene.relation.removesuffix(" of")
    other = {"above": "below", "below": "above", "left": "right", "right": "left"}[answer]
    choices = [answer, other]
    rng.shuffle(choices)
    text = (
        f"Considering the relative positions, where is the {scene.first.colour} {scene.first.shape} "
        f"with respect to the {scene.second.colour} {scene.second.shape}?"
    )
    return Question(draw_scene(scene, rng), text, answer, tuple(choices))


def depth_question(rng: random.Random) -> Question:
    """Two things at different distances: the nearer is larger and stands lower."""
    scene = some_scene(rng, pair=1, plain=True)
    assert scene.second
    first, far = scene.first, scene.second
    image = ground((96, 80), rng.choice(("", "on sand", "on grass")), rng)
    left = rng.random() < 0.5
    xs = (27, 70) if left else (70, 27)
    stamp(image, far.shape, (xs[1] + rng.randint(-4, 4), 22), rng.uniform(8, 11), jittered(PALETTE[far.colour], rng))
    stamp(image, first.shape, (xs[0], 52), rng.uniform(18, 23), jittered(PALETTE[first.colour], rng))
    return _which("closer to the camera", image, first, far, rng)


def distance_question(rng: random.Random) -> Question:
    """Three things in a row: which of two lies nearer to the white ring?"""
    scene = some_scene(rng, pair=1, plain=True)
    while scene.second is None or "white" in (scene.first.colour, scene.second.colour):
        scene = some_scene(rng, pair=1, plain=True)
    near, far = scene.first, scene.second
    image = ground((112, 72), "", rng)
    mirrored = rng.random() < 0.5
    for thing, x in ((Thing("ring", "white"), 18), (near, 48 + rng.randint(-3, 3)), (far, 94)):
        at = 112 - x if mirrored else x
        stamp(image, thing.shape, (at, 36 + rng.randint(-8, 8)), 13, jittered(PALETTE[thing.colour], rng))
    return _which("closer to the white ring", image, near, far, rng)


def _which(what: str, image: Image.Image, right: Thing, wrong: Thing, rng: random.Random) -> Question:
    answer, other = right.caption("en"), wrong.caption("en")
    choices = [answer, other]
    rng.shuffle(choices)
    return Question(image, f"Which object is {what}, the {choices[0]} or the {choices[1]}?", answer, tuple(choices))


@dataclass(frozen=True)
class Edit:
    """A picture's scene, a wish, and the scene that fulfils it."""

    before: Scene
    wish: str
    after: Scene


def some_edit(rng: random.Random) -> Edit:
    before = some_scene(rng, pair=0.4)
    after = changed(before, rng)
    old, new = _difference(before, after)
    return Edit(before, rng.choice((f"{new} instead of {old}", f"the same but {new}, not {old}")), after)


def _difference(before: Scene, after: Scene) -> tuple[str, str]:
    if before.place != after.place:
        return before.place or "indoors", after.place or "indoors"
    one, other = before.first, after.first
    if one == other:
        assert before.second and after.second
        one, other = before.second, after.second
    if one.colour != other.colour:
        return one.colour, other.colour
    if one.shape != other.shape:
        return one.shape, other.shape
    words = ("", "one", "two", "three", "four", "five")
    return words[one.count], words[other.count]


@dataclass(frozen=True)
class Garment:
    colour: str
    texture: str
    sleeves: str

    def caption(self) -> str:
        return " ".join(filter(None, (self.texture, self.colour, "shirt with", self.sleeves, "sleeves")))


def some_garment(rng: random.Random) -> Garment:
    colour, sleeves = rng.sample(COLOURS, 2)
    return Garment(colour, rng.choice(("", *TEXTURES)), sleeves)


def changed_garment(garment: Garment, rng: random.Random) -> tuple[Garment, str]:
    """Another garment and the wish that leads there."""
    part = rng.choice(("colour", "sleeves"))
    old = getattr(garment, part)
    new = rng.choice([c for c in COLOURS if c not in (garment.colour, garment.sleeves)])
    where = "" if part == "colour" else " sleeves"
    return replace(garment, **{part: new}), f"is {new}{where} instead of {old}{where}"


def draw_garment(garment: Garment, rng: random.Random) -> Image.Image:
    w, h = rng.choice((64, 72)), rng.choice((80, 88))
    image = ground((w, h), "", rng)
    draw = ImageDraw.Draw(image)
    scale, dx, dy = rng.uniform(0.7, 0.9), rng.uniform(0.03, 0.09), rng.uniform(0.03, 0.1)
    inks = [jittered(PALETTE[garment.colour], rng, 20), jittered(PALETTE[garment.sleeves], rng, 20), (90, 90, 90)]
    for outline, x0, y0, x1, y1, slot in PLANS["garment"]:
        box = [round((dx + scale * x0) * w), round((dy + scale * y0) * h)]
        box += [round((dx + scale * x1) * w), round((dy + scale * y1) * h)]
        ink = inks[slot]
        if slot == 0:
            size = box[2] - box[0], box[3] - box[1]
            image.paste(textured(size, garment.texture, ink, (250, 250, 250)), (box[0], box[1]))
        elif outline == "rectangle":
            draw.rectangle(box, fill=ink, outline=(40, 40, 40))
        else:
            draw.polygon(((box[0], box[1]), (box[2], box[1]), ((box[0] + box[2]) // 2, box[3])), fill=ink)
    return noisy(image, rng, 10)
