"""How a batch of texts is cut into rows of equal length, and how a batch of single runs goes without repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

LENGTH_STEP = 16
Vectors = NDArray[np.float32]
Item = TypeVar("Item")


def embed_by_length(
    tokenizer: Any,
    texts: Sequence[str],
    max_length: int,
    embed: Callable[[Mapping[str, Any]], Vectors],
    *,
    padding: str = "longest",
    beside: Mapping[str, Any] | None = None,
    masked: bool = False,
) -> Vectors:
    """Embed texts cut to `max_length` tokens; shape (n, dimension).

    With `padding="longest"`, texts of similar length go together, padded alike to a multiple of 16 tokens, in as many
    rows as there are texts: so the shape that a text is computed in depends on its own length only, and with it its
    last digits. With `padding="max_length"` all are padded to `max_length`. `embed` gets what the tokenizer returns,
    and with it the rows of the tensors `beside` that belong to the texts. With `masked`, an empty text lies beside
    them, so that something is padded in every batch.
    """

    if padding == "max_length":
        said = [*texts, *[""] * masked]
        tokens = tokenizer(said, padding=padding, truncation=True, max_length=max_length, return_tensors="pt")
        return embed({**tokens, **(beside or {})})[: len(texts)]
    encoded = tokenizer([*texts, *[""] * masked], truncation=True, max_length=max_length)
    lengths = np.array([len(ids) for ids in encoded["input_ids"][: len(texts)]])
    widths = np.minimum(-(-np.maximum(lengths, 1) // LENGTH_STEP) * LENGTH_STEP, max_length)
    embeddings: Vectors | None = None
    for width in np.unique(widths):
        rows = np.flatnonzero(widths == width)
        filled = [*rows, *[rows[-1]] * (len(texts) - len(rows))]
        chosen = {name: [values[row] for row in (*filled, *[-1] * masked)] for name, values in encoded.items()}
        tokens = tokenizer.pad(chosen, padding="max_length", max_length=int(width), return_tensors="pt")
        vectors = embed({**tokens, **{name: each[filled] for name, each in (beside or {}).items()}})
        if embeddings is None:
            embeddings = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
        embeddings[rows] = vectors[: len(rows)]
    assert embeddings is not None
    return embeddings


def token_lengths(tokenizer: Any, texts: Sequence[str], max_length: int, *, padding: str = "longest") -> list[int]:
    """How many tokens `embed_by_length` computes for each text, padding up to a multiple of 16 left out."""
    if padding == "max_length":
        return [max_length] * len(texts)
    return [len(ids) for ids in tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]]


def embed_singly(items: Sequence[Item], embed: Callable[[Item], Vectors]) -> Vectors:
    """Embed item by item, each to shape (dimension,), for models whose inputs differ in shape; shape (n, dimension).

    An item that is the same object as the one before, as those that fill a batch up are, is embedded once.
    """
    vectors: list[Vectors] = []
    for place, item in enumerate(items):
        repeated = place and _same(item, items[place - 1])
        vectors.append(vectors[-1] if repeated else embed(item))
    return np.stack(vectors)


def _same(one: object, other: object) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one is other
