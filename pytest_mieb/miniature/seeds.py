"""Randomness that is the same on every machine: generators seeded by words, never by Python's `hash`."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number_of(*words: object) -> int:
    """A 64-bit number that depends on the words and on nothing else."""
    joined = "\x1f".join(map(str, words))
    return int.from_bytes(hashlib.sha256(joined.encode()).digest()[:8], "big")


def generator(*words: object) -> random.Random:
    return random.Random(number_of(*words))


def spread(items: Sequence[T], n: int) -> list[T]:
    """`n` of the items, evenly spaced, in order; all of them when there are no more."""
    if n >= len(items):
        return list(items)
    return [items[i * len(items) // n] for i in range(n)]
