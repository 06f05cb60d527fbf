"""Shapes, textures and grounds: what every picture of the miniature world is made of."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
PALETTE: dict[str, Colour] = {
    "red": (214, 40, 40),
    "yellow": (245, 210, 40),
    "green": (40, 160, 70),
    "blue": (45, 85, 215),
    "purple": (140, 60, 180),
    "orange": (245, 130, 30),
    "black": (25, 25, 25),
    "white": (245, 245, 245),
    "pink": (250, 160, 190),
    "brown": (125, 80, 45),
    "cyan": (90, 205, 220),
    "grey": (130, 130, 135),
}
SEE_THROUGH_EVERY, SEE_THROUGH_COLOURS = 25, 32
HIDDEN: Colour = (60, 20, 90)
GROUNDS: dict[str, Colour] = {
    "": (188, 186, 180),
    "on grass": (120, 175, 95),
    "on sand": (222, 200, 150),
    "at sea": (110, 165, 205),
    "at night": (48, 48, 84),
}


def jittered(colour: Colour, rng: random.Random, amount: int = 14) -> Colour:
    r, g, b = (max(0, min(255, c + rng.randint(-amount, amount))) for c in colour)
    return r, g, b


def ground(size: tuple[int, int], place: str, rng: random.Random) -> Image.Image:
    """A canvas with the look of the place, "" being a plain wall."""
    image = Image.new("RGB", size, jittered(GROUNDS[place], rng, 10))
    draw = ImageDraw.Draw(image)
    w, h = size
    for _ in range(14 if place else 0):
        x, y = rng.randrange(w), rng.randrange(h)
        if place == "on grass":
            draw.line((x, y, x + rng.randint(-2, 2), y - 6), fill=(70, 130, 60))
        elif place == "on sand":
            draw.ellipse((x, y, x + 2, y + 2), fill=(180, 150, 100))
        elif place == "at sea":
            draw.arc((x, y, x + 10, y + 5), 180, 360, fill=(225, 240, 250))
        else:
            draw.point((x, y), fill=(250, 250, 200))
    return image


def noisy(image: Image.Image, rng: random.Random, amount: int) -> Image.Image:
    """The image with grain: a third of the pixels lighter by `amount`, a third darker."""
    pixels = np.asarray(image).astype(np.int16)
    levels = np.random.default_rng(rng.getrandbits(32)).integers(-1, 2, pixels.shape[:2], dtype=np.int16)
    grain = levels * np.int16(amount)
    return Image.fromarray(np.clip(pixels + grain[..., None], 0, 255).astype(np.uint8))


def see_through(image: Image.Image, number: int) -> Image.Image:
    """Every 25th picture with a frame of which one half is not there, and the other in part; all others as they are.

    They are transparent in four ways by turns: in colour and in grey with alpha, by a colour of a palette, and by an
    alpha for each. What is not there is of a colour that shows where alpha is dropped.
    """
    turn, rest = divmod(number, SEE_THROUGH_EVERY)
    if rest:
        return image
    width, height = image.size
    rim = max(1, min(image.size) // 10)
    framed = Image.new("RGB", image.size, HIDDEN)
    framed.paste(image.crop((rim, rim, width - rim, height - rim)), (rim, rim))
    if turn % 4 < 2:
        alpha = Image.new("L", image.size)
        alpha.paste(128, (rim, rim, width - rim, height - rim))
        alpha.paste(255, (2 * rim, 2 * rim, width - 2 * rim, height - 2 * rim))
        framed = framed.convert("L") if turn % 4 else framed
        framed.putalpha(alpha)
        return framed
    framed = framed.quantize(SEE_THROUGH_COLOURS)
    hidden, faint = framed.getpixel((0, 0)), framed.getpixel((rim, rim))
    alphas = bytes({hidden: 0, faint: 128}.get(colour, 255) for colour in range(SEE_THROUGH_COLOURS))
    framed.info["transparency"] = hidden if turn % 4 == 2 else alphas
    return framed


def _polygon(kind: str) -> list[tuple[float, float]]:
    """Corners in the unit circle."""
    if kind == "square":
        return [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
    if kind == "triangle":
        return [(0, -1), (0.95, 0.8), (-0.95, 0.8)]
    if kind == "star":
        points = []
        for i in range(10):
            radius = 1.0 if i % 2 == 0 else 0.42
            points.append((radius * math.sin(i * math.pi / 5), -radius * math.cos(i * math.pi / 5)))
        return points
    if kind == "cross":
        a, b = 0.3, 0.95
        return [
            (-a, -b),
            (a, -b),
            (a, -a),
            (b, -a),
            (b, a),
            (a, a),
            (a, b),
            (-a, b),
            (-a, a),
            (-b, a),
            (-b, -a),
            (-a, -a),
        ]
    if kind == "heart":
        curve = [t * math.pi / 12 for t in range(24)]
        return [
            (
                math.sin(t) ** 3,
                -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
            )
            for t in curve
        ]
    raise ValueError(kind)


def silhouette(kind: str, radius: int) -> Image.Image:
    """The shape as a mask of side 2 * radius + 1."""
    side = 2 * radius + 1
    mask = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mask)
    if kind in ("circle", "ring", "moon"):
        draw.ellipse((0, 0, side - 1, side - 1), fill=255)
        if kind == "ring":
            inset = max(1, round(radius * 0.5))
            draw.ellipse((inset, inset, side - 1 - inset, side - 1 - inset), fill=0)
        if kind == "moon":
            shift = round(radius * 0.75)
            draw.ellipse((shift, -radius // 4, side - 1 + shift, side - 1 - radius // 4), fill=0)
    else:
        draw.polygon([(radius + x * radius, radius + y * radius) for x, y in _polygon(kind)], fill=255)
    return mask


def textured(size: tuple[int, int], texture: str, colour: Colour, second: Colour) -> Image.Image:
    """A patch in the first colour with stripes, dots or checks in the second."""
    patch = Image.new("RGB", size, colour)
    draw = ImageDraw.Draw(patch)
    w, h = size
    step = max(4, min(size) // 5)
    if texture == "striped":
        for x in range(0, w, step):
            draw.rectangle((x, 0, x + step // 2 - 1, h), fill=second)
    elif texture == "dotted":
        for x in range(step // 2, w, step):
            for y in range(step // 2, h, step):
                draw.ellipse((x - step // 4, y - step // 4, x + step // 4, y + step // 4), fill=second)
    elif texture == "checkered":
        for i, x in enumerate(range(0, w, step)):
            for y in range((i % 2) * step, h, 2 * step):
                draw.rectangle((x, y, x + step - 1, y + step - 1), fill=second)
    return patch


def stamp(
    image: Image.Image, kind: str, centre: tuple[float, float], radius: float, colour: Colour, texture: str = ""
) -> None:
    """Draw a shape with a thin rim onto the image."""
    r = max(2, round(radius))
    x, y = round(centre[0]), round(centre[1])
    rim = (235, 235, 235) if sum(colour) < 200 else (40, 40, 40)
    image.paste(rim, (x - r - 1, y - r - 1), silhouette(kind, r + 1))
    second = (250, 250, 250) if sum(colour) < 600 else (90, 90, 90)
    image.paste(textured((2 * r + 1, 2 * r + 1), texture, colour, second), (x - r, y - r), silhouette(kind, r))
