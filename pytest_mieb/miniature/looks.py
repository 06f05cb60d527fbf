"""Looks: every class name has an appearance of its own, of which each picture is a varied instance.

A domain (bird, car, flag, ...) is a drawing plan; the name decides colours, textures and details, the same ones on
every machine. What a name means is used where that is simple: faces, traffic signs, numbers of objects, near and far.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from pytest_mieb.miniature.drawing import GROUNDS, PALETTE, Colour, ground, jittered, noisy, silhouette, stamp, textured
from pytest_mieb.miniature.lettering import font
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.words import SHAPES, TEXTURES

# (outline, x0, y0, x1, y1, slot): drawn in order, in the unit square; the slot picks one of the name's three colours.
Part = tuple[str, float, float, float, float, int]
PLANS: dict[str, tuple[Part, ...]] = {
    "bird": (
        ("triangle", 0.05, 0.45, 0.4, 0.75, 1),
        ("ellipse", 0.2, 0.35, 0.8, 0.8, 0),
        ("ellipse", 0.6, 0.15, 0.9, 0.45, 2),
        ("triangle", 0.86, 0.25, 1.0, 0.35, 1),
        ("ellipse", 0.3, 0.42, 0.6, 0.62, 1),
    ),
    "pet": (
        ("triangle", 0.55, 0.05, 0.7, 0.3, 1),
        ("triangle", 0.8, 0.05, 0.95, 0.3, 1),
        ("ellipse", 0.1, 0.4, 0.75, 0.8, 0),
        ("ellipse", 0.55, 0.15, 0.95, 0.55, 2),
        ("rectangle", 0.2, 0.7, 0.28, 0.98, 1),
        ("rectangle", 0.58, 0.7, 0.66, 0.98, 1),
    ),
    "car": (
        ("rectangle", 0.25, 0.25, 0.72, 0.5, 1),
        ("rectangle", 0.02, 0.45, 0.98, 0.75, 0),
        ("ellipse", 0.12, 0.62, 0.36, 0.9, 2),
        ("ellipse", 0.64, 0.62, 0.88, 0.9, 2),
    ),
    "aircraft": (
        ("ellipse", 0.0, 0.42, 1.0, 0.6, 0),
        ("triangle", 0.35, 0.1, 0.6, 0.5, 1),
        ("triangle", 0.02, 0.2, 0.2, 0.5, 2),
        ("rectangle", 0.4, 0.55, 0.6, 0.7, 2),
    ),
    "flower": (
        ("rectangle", 0.46, 0.5, 0.54, 1.0, 2),
        ("ellipse", 0.1, 0.25, 0.5, 0.55, 0),
        ("ellipse", 0.5, 0.25, 0.9, 0.55, 0),
        ("ellipse", 0.35, 0.0, 0.65, 0.4, 0),
        ("ellipse", 0.35, 0.4, 0.65, 0.8, 0),
        ("ellipse", 0.38, 0.28, 0.62, 0.52, 1),
    ),
    "food": (
        ("ellipse", 0.0, 0.1, 1.0, 0.95, 1),
        ("ellipse", 0.15, 0.2, 0.85, 0.85, 0),
        ("ellipse", 0.3, 0.3, 0.5, 0.5, 2),
        ("rectangle", 0.5, 0.5, 0.72, 0.68, 2),
    ),
    "building": (
        ("rectangle", 0.05, 0.45, 0.95, 1.0, 0),
        ("rectangle", 0.38, 0.15, 0.62, 1.0, 1),
        ("triangle", 0.34, 0.0, 0.66, 0.2, 2),
        ("rectangle", 0.14, 0.6, 0.28, 0.8, 2),
        ("rectangle", 0.72, 0.6, 0.86, 0.8, 2),
    ),
    "product": (
        ("rectangle", 0.35, 0.0, 0.65, 0.2, 2),
        ("rectangle", 0.15, 0.15, 0.85, 1.0, 0),
        ("rectangle", 0.22, 0.35, 0.78, 0.75, 1),
    ),
    "garment": (
        ("rectangle", 0.02, 0.1, 0.98, 0.35, 1),
        ("rectangle", 0.22, 0.1, 0.78, 1.0, 0),
        ("triangle", 0.38, 0.06, 0.62, 0.26, 2),
    ),
    "person": (
        ("ellipse", 0.38, 0.0, 0.62, 0.24, 2),
        ("rectangle", 0.36, 0.24, 0.64, 0.62, 0),
        ("rectangle", 0.1, 0.28, 0.36, 0.36, 0),
        ("rectangle", 0.64, 0.28, 0.9, 0.36, 0),
        ("rectangle", 0.38, 0.62, 0.47, 1.0, 1),
        ("rectangle", 0.53, 0.62, 0.62, 1.0, 1),
    ),
}
ANIMAL_COLOURS = ("brown", "white", "black", "grey", "orange", "yellow")
MARKED = ("object", "building", "product", "person", "food")
EXPRESSIONS = {  # mouth curve, mouth opening, brow slant, eye size
    "angry": (-0.6, 0.1, 0.8, 0.6),
    "disgust": (-0.9, 0.3, 0.3, 0.4),
    "fear": (-0.3, 0.7, -0.8, 1.0),
    "happy": (1.0, 0.4, 0.0, 0.7),
    "neutral": (0.0, 0.0, 0.0, 0.7),
    "sad": (-0.8, 0.0, -0.5, 0.5),
    "surprise": (0.0, 1.0, -0.3, 1.3),
}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DISTANCES = ("very nearby", "nearby", "near", "", "distant", "very distant")


@dataclass(frozen=True)
class Look:
    """What a name decides about its pictures."""

    colours: tuple[str, str, str]
    texture: str
    mark: str
    mark_colour: str
    mark_at: tuple[float, float]
    place: str
    parts: tuple[Part, ...]


def look_of(domain: str, name: str) -> Look:
    rng = generator("look", domain, name)
    names = ANIMAL_COLOURS if domain == "pet" else tuple(PALETTE)
    first, second, third = rng.sample(names, 3)
    parts = PLANS.get(domain) or _own_plan(rng)
    return Look(
        colours=(first, second, third),
        texture=rng.choice(("", "", *TEXTURES)),
        mark=rng.choice(SHAPES) if domain in MARKED else "",
        mark_colour=rng.choice([c for c in PALETTE if c != first]),
        mark_at=(rng.choice((0.3, 0.5, 0.7)), rng.choice((0.35, 0.6))),
        place=rng.choice(tuple(GROUNDS)),
        parts=parts,
    )


def _own_plan(rng: random.Random) -> tuple[Part, ...]:
    """A plan that the name itself decides: three overlapping parts."""
    parts: list[Part] = []
    for slot in range(3):
        w, h = rng.choice(((0.9, 0.4), (0.4, 0.9), (0.6, 0.6))) if slot == 0 else rng.choice(((0.5, 0.3), (0.3, 0.5)))
        x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
        parts.append((rng.choice(("ellipse", "rectangle", "triangle")), x, y, x + w, y + h, slot))
    return tuple(parts)


def draw_look(domain: str, name: str, rng: random.Random, grain: int = 14) -> Image.Image:
    """One picture of the class `name`; `grain` is the strength of the noise in it."""
    special = SPECIAL.get(domain)
    image = special(name, rng) if special else _draw_plan(domain, name, rng)
    return noisy(image, rng, grain)


def sketch(domain: str, name: str, rng: random.Random) -> Image.Image:
    """A line drawing of the class, black on white."""
    outline = draw_look(domain, name, rng, grain=0).convert("L").filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(outline.point(lambda v: 255 if v > 28 else 0)).convert("RGB")


def _draw_plan(domain: str, name: str, rng: random.Random) -> Image.Image:
    look = look_of(domain, name)
    w, h = rng.choice((64, 72, 88)), rng.choice((64, 72, 80))
    place = look.place if rng.random() < 0.75 else rng.choice(tuple(GROUNDS))
    image = ground((w, h), place, rng)
    scale = rng.uniform(0.55, 0.85)
    left, top = rng.uniform(0.02, 0.98 - scale), rng.uniform(0.02, 0.98 - scale)
    mirrored = rng.random() < 0.5
    inks = [jittered(PALETTE[c], rng, 32) for c in look.colours]

    def across(x: float) -> float:
        return (left + scale * ((1 - x) if mirrored else x)) * w

    def down(y: float) -> float:
        return (top + scale * y) * h

    draw = ImageDraw.Draw(image)
    for outline, x0, y0, x1, y1, slot in look.parts:
        xs = sorted((round(across(x0)), round(across(x1))))
        ys = round(down(y0)), round(down(y1))
        if slot == 0 and look.texture and outline != "triangle":
            size = max(4, xs[1] - xs[0]), max(4, ys[1] - ys[0])
            mask = Image.new("L", size, 0)
            plan = ImageDraw.Draw(mask)
            getattr(plan, outline)((0, 0, size[0] - 1, size[1] - 1), fill=255)
            image.paste(textured(size, look.texture, inks[0], inks[2]), (xs[0], ys[0]), mask)
        elif outline == "triangle":
            draw.polygon(
                ((xs[0], ys[1]), ((xs[0] + xs[1]) // 2, ys[0]), (xs[1], ys[1])), fill=inks[slot], outline=(40, 40, 40)
            )
        else:
            getattr(draw, outline)((xs[0], ys[0], max(xs), ys[1]), fill=inks[slot], outline=(40, 40, 40))
    if look.mark:
        centre = across(look.mark_at[0]), down(look.mark_at[1])
        stamp(image, look.mark, centre, 0.14 * scale * min(w, h), jittered(PALETTE[look.mark_colour], rng))
    return image


def _texture(name: str, rng: random.Random) -> Image.Image:
    """A field of waves and spots whose frequency, direction and colours the name decides."""
    own = generator("texture", name)
    side = rng.choice((64, 80))
    angle = own.uniform(0, math.pi) + rng.gauss(0, 0.12)
    pitch = own.uniform(5, 18) * rng.uniform(0.85, 1.18)
    ys, xs = np.mgrid[0:side, 0:side] / side * 64
    wave = np.sin((xs * math.cos(angle) + ys * math.sin(angle)) * 2 * math.pi / pitch + rng.uniform(0, 6))
    if own.random() < 0.6:
        wave = wave * np.sin((ys * math.cos(angle) - xs * math.sin(angle)) * 2 * math.pi / own.uniform(5, 18))
    wave = wave > own.uniform(-0.3, 0.3) if own.random() < 0.5 else (wave + 1) / 2
    low, high = (np.array(jittered(PALETTE[c], rng, 40), float) for c in own.sample(tuple(PALETTE), 2))
    blend = low + (high - low) * np.asarray(wave, float)[..., None]
    return Image.fromarray(np.clip(np.rint(blend), 0, 255).astype(np.uint8))


def _land(name: str, rng: random.Random) -> Image.Image:
    """Land from above: a patchwork of fields in the name's two colours, with its line (road, river) and spots."""
    own = generator("land", name)
    colours = own.sample(("green", "brown", "grey", "blue", "yellow", "orange", "white", "purple"), 2)
    grid, lined, spots = own.choice((1, 2, 4)), own.random() < 0.5, own.choice((0, 0, 8, 18))
    line_colour, spot_colour = own.choice(("white", "blue", "grey")), own.choice(("red", "black", "white", "green"))
    image = Image.new("RGB", (64, 64))
    draw = ImageDraw.Draw(image)
    cell = 64 // grid
    for i in range(grid):
        for j in range(grid):
            colour = jittered(PALETTE[colours[(i + j) % 2]], rng, 80)
            draw.rectangle((i * cell, j * cell, i * cell + cell, j * cell + cell), fill=colour)
    for _ in range(spots):
        x, y = rng.randrange(58), rng.randrange(58)
        draw.rectangle((x, y, x + 4, y + 4), fill=PALETTE[spot_colour])
    if lined:
        draw.line((rng.randrange(64), 0, rng.randrange(64), 64), fill=PALETTE[line_colour], width=6)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _flag(name: str, rng: random.Random) -> Image.Image:
    """A simplified flag on a pole before a sky: stripes, cross or field in three colours, perhaps with a badge."""
    own = generator("flag", name)
    kind, badge = own.choice(("across", "down", "cross", "field")), own.choice(("", "", *SHAPES))
    colours = own.sample(("red", "yellow", "green", "blue", "orange", "black", "white", "cyan"), 3)
    badge_colour = own.choice([c for c in ("red", "yellow", "white", "blue", "green") if c != colours[1]])
    w, h = rng.choice((80, 96)), rng.choice((64, 72))
    image = ground((w, h), rng.choice(tuple(GROUNDS)), rng)
    draw = ImageDraw.Draw(image)
    x0, y0 = rng.randint(4, 14), rng.randint(4, 14)
    fw, fh = round(w * rng.uniform(0.6, 0.78)), round(h * rng.uniform(0.5, 0.7))
    draw.line((x0 - 2, y0, x0 - 2, h), fill=(80, 60, 40), width=3)
    inks = [jittered(PALETTE[c], rng, 26) for c in colours]
    draw.rectangle((x0, y0, x0 + fw, y0 + fh), fill=inks[0])
    if kind == "across":
        for i in range(3):
            draw.rectangle((x0, y0 + fh * i // 3, x0 + fw, y0 + fh * (i + 1) // 3), fill=inks[i])
    elif kind == "down":
        for i in range(3):
            draw.rectangle((x0 + fw * i // 3, y0, x0 + fw * (i + 1) // 3, y0 + fh), fill=inks[i])
    elif kind == "cross":
        draw.rectangle((x0 + fw // 3, y0, x0 + fw // 2, y0 + fh), fill=inks[1])
        draw.rectangle((x0, y0 + fh * 2 // 5, x0 + fw, y0 + fh * 3 // 5), fill=inks[1])
    else:
        draw.rectangle((x0, y0, x0 + fw * 2 // 5, y0 + fh // 2), fill=inks[2])
    if badge:
        stamp(image, badge, (x0 + fw * 0.5, y0 + fh * 0.5), fh * 0.2, PALETTE[badge_colour])
    return image


def _face(name: str, rng: random.Random) -> Image.Image:
    """A grey face; the name is the expression."""
    curve, opening, slant, eye = EXPRESSIONS[name]
    curve, slant = curve + rng.gauss(0, 0.3), slant + rng.gauss(0, 0.3)
    opening = max(0.0, opening + rng.gauss(0, 0.18))
    side, skin = 48, rng.randint(140, 220)
    image = Image.new("RGB", (side, side), (rng.randint(40, 110),) * 3)
    draw = ImageDraw.Draw(image)
    cx, cy = 24 + rng.randint(-3, 3), 24 + rng.randint(-3, 3)
    draw.ellipse((cx - 19, cy - 22, cx + 19, cy + 22), fill=(skin,) * 3)
    for d in (-1, 1):
        ex, size = cx + 8 * d, 2 + 2 * eye
        draw.ellipse((ex - size, cy - 7 - size, ex + size, cy - 7 + size), fill=(245,) * 3)
        draw.ellipse((ex - 1.5, cy - 8.5, ex + 1.5, cy - 5.5), fill=(15,) * 3)
        draw.line((ex - 5, cy - 14 - 4 * slant * d, ex + 5, cy - 14 + 4 * slant * d), fill=(30,) * 3, width=2)
    bottom = cy + 12
    mouth = [(cx + x, bottom - curve * 4 * (x * x / 64 - 0.5)) for x in range(-8, 9)]
    mouth += [(cx + x, bottom + opening * 5 - curve * 4 * (x * x / 64 - 0.5)) for x in range(8, -9, -1)]
    draw.polygon(mouth, fill=(30,) * 3, outline=(30,) * 3)
    return image


def _sign(name: str, rng: random.Random) -> Image.Image:
    """A traffic sign: board and rim as the name's words say, with its number or a symbol of its own."""
    own = generator("sign", name)
    symbols = [(own.choice(SHAPES), own.uniform(-0.35, 0.35), own.uniform(-0.3, 0.3)) for _ in range(2)]
    side = rng.choice((40, 48, 56))
    image = ground((side, side), rng.choice(tuple(GROUNDS)), rng)
    r, c = side * rng.uniform(0.34, 0.44), side / 2 + rng.uniform(-3, 3)
    rim, board = "red", "white"
    if "blue" in name:
        rim, board = "white", "blue"
    elif "gray" in name or "end" in name.split():
        rim, board = "grey", "white"
    elif "yellow" in name:
        rim, board = "white", "yellow"
    elif name.startswith(("stop", "red circle")):
        rim, board = "white", "red"
    elif "upside" in name:
        board = "orange"
    kind = "triangle" if "triangle" in name else "square" if "diamond" in name else "circle"
    stamp(image, kind, (c, c), r, jittered(PALETTE[rim], rng, 20))
    stamp(image, kind, (c, c), r * 0.72, jittered(PALETTE[board], rng, 20))
    ink = PALETTE["black" if board in ("white", "yellow", "orange") else "white"]
    number = re.search(r"\d+", name)
    draw = ImageDraw.Draw(image)
    if number:
        draw.text((c, c), number[0], font=font(round(r * 0.75)), fill=ink, anchor="mm")
    elif "empty" not in name:
        for shape, dx, dy in symbols:
            mask = silhouette(shape, max(2, round(r * 0.22)))
            image.paste(ink, (round(c + dx * r - mask.width / 2), round(c + dy * r - mask.height / 2)), mask)
    if rim == "grey":
        draw.line((c - r * 0.6, c + r * 0.6, c + r * 0.6, c - r * 0.6), fill=PALETTE["grey"], width=3)
    return image


def scattered(n: int, radius: float, rng: random.Random, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """`n` shapes of any kind at distinct spots of a jittered grid."""
    image = ground(size, "", rng)
    cells = rng.sample([(i, j) for i in range(4) for j in range(3)], n)
    for i, j in cells:
        x, y = (i + 0.5) * size[0] / 4 + rng.uniform(-2, 2), (j + 0.5) * size[1] / 3 + rng.uniform(-2, 2)
        colour: Colour = PALETTE[rng.choice(("red", "yellow", "green", "blue", "purple", "cyan"))]
        stamp(image, rng.choice(("circle", "square")), (x, y), radius * rng.uniform(0.9, 1.1), colour)
    return image


def _number_of_objects(name: str, rng: random.Random) -> Image.Image:
    return scattered(NUMBERS.index(name), rng.uniform(5, 8), rng)


def _distance(name: str, rng: random.Random) -> Image.Image:
    """Shapes that are the larger the nearer the closest is."""
    return scattered(rng.randint(3, 5), 17 - 2.7 * DISTANCES.index(name) + rng.gauss(0, 0.6), rng)


def _tissue(name: str, rng: random.Random) -> Image.Image:
    """Stained tissue: with a tumour, larger and darker nuclei crowd in the middle."""
    tumour = "tumor" in name
    image = Image.new("RGB", (64, 64), jittered((232, 180, 210), rng, 16))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.uniform(0, 64), rng.uniform(0, 64)
        near = math.hypot(x - 32, y - 32) < 20
        r = rng.uniform(1.8, 3.6) if tumour and near else rng.uniform(1.4, 3.2)
        ink = (132, 74, 154) if tumour and near else (150, 90, 170)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=jittered(ink, rng, 40))
    return image


SPECIAL = {
    "texture": _texture,
    "land": _land,
    "flag": _flag,
    "face": _face,
    "sign": _sign,
    "number": _number_of_objects,
    "distance": _distance,
    "tissue": _tissue,
}
