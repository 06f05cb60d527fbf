"""Text as pixels: two small fonts that travel with the package, drawn with Pillow's basic layout.

The basic layout engine knows no right-to-left and no joining, so Arabic is shaped here: every letter becomes the
presentation form that its neighbours ask for, and the line is reversed.
"""

from __future__ import annotations

import math
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parent / "fonts"
Colour = tuple[int, int, int]


@cache
def font(size: int, cjk: bool = False) -> ImageFont.FreeTypeFont:
    name = "miniature-cjk.otf" if cjk else "miniature-sans.ttf"
    return ImageFont.truetype(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _arabic_forms() -> dict[tuple[str, str], str]:
    """(letter, form) -> presentation form; the forms are isolated, initial, medial and final."""
    forms: dict[tuple[str, str], str] = {}
    for code in range(0xFE80, 0xFEF5):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2:
            forms[chr(int(parts[1], 16)), parts[0].strip("<>")] = chr(code)
    return forms


def shaped(text: str) -> str:
    """The text in the order and form in which its glyphs stand on the line; only Arabic changes."""
    if not any("\u0600" <= c <= "\u06ff" for c in text):
        return text
    forms = _arabic_forms()

    def joins_next(i: int) -> bool:
        return 0 <= i < len(text) and (text[i], "initial") in forms

    def joins_previous(i: int) -> bool:
        return 0 <= i < len(text) and (text[i], "final") in forms

    glyphs = []
    for i, letter in enumerate(text):
        before = joins_next(i - 1) and joins_previous(i)
        after = joins_next(i) and joins_previous(i + 1)
        form = ("medial" if after else "final") if before else ("initial" if after else "isolated")
        glyphs.append(forms.get((letter, form), letter))
    return "".join(reversed(glyphs))


def write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, ink: Colour) -> None:
    """Draw one line of text with its top left corner at `at`."""
    draw.bitmap([int(at[0]), int(at[1])], _line(text, size), fill=ink)


@lru_cache(4096)
def _line(text: str, size: int) -> Image.Image:
    """The line as a mask; the world's few words come again and again."""
    glyphs, drawn = shaped(text), font(size, _is_cjk(text))
    mask = Image.new("L", (max(1, math.ceil(drawn.getlength(glyphs)) + 2), math.ceil(size * 1.5)))
    ImageDraw.Draw(mask).text((0, 0), glyphs, font=drawn, fill=255)
    return mask


def _is_cjk(text: str) -> bool:
    return any(ord(c) > 0x2E80 and not 0xFB50 <= ord(c) < 0xFF00 for c in text)


@cache
def _width(text: str, size: int) -> float:
    return 0.0 if _is_cjk(text) else font(size).getlength(shaped(text))


def sheet(lines: list[str], side: int, shift: tuple[int, int], ink: Colour, paper: Colour) -> Image.Image:
    """A square sheet of eight rows, one line of text on each from the first on."""
    image = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(image)
    row = side / 8
    for i, line in enumerate(lines[:8]):
        size = round(row * 0.85)
        size = min(size, int(size * (side - 2) / max(1.0, _width(line, size))))
        write(draw, (1 + shift[0], i * row + shift[1]), line, size, ink)
    return image
