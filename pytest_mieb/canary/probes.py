"""What the canary sees and reads: frozen, for any change of it needs new golden values."""

from __future__ import annotations

from pathlib import Path

IMAGES = Path(__file__).parent / "images"
"""Drawn with `pytest_mieb.miniature.drawing`, of odd sizes, in detail enough that interpolation and crop show.

meadow.jpg, wide: chroma at half resolution, as most JPEGs have it; turned.jpg: full chroma, to be turned as its EXIF
data says; palette.png: 64 colours, one of them transparent; seethrough.png: RGBA; grey.png: one channel.
"""

TEXTS = (
    "a red circle on grass",
    "",
    "Élan: deux étoiles bleues à côté d'un cœur",
    "赤い丸と二つの青い星",
    "e\u0301toile u\u0308ni — not composed",
    "A small STRIPED square, left of 3 big moons!",
    "one red star, two blue hearts and " * 20,
    "🙂 ✓ \t a tab,\na line and  two spaces",
)
"""ASCII, nothing, accents, CJK, combining marks, capitals and digits, far beyond the context, emoji and white space."""
