"""Cosine similarity in float32, whatever type the model computes in.

Equal embeddings must get equal cosines, for ties are settled by rule, and the number of threads must not matter. The
BLAS of NumPy keeps neither: at the edges of a product it rounds otherwise. `np.einsum` keeps both, and torch does from
some rows on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.protocols.scored import Floats

ENOUGH_ROWS = 64


def normalised(embeddings: Floats) -> NDArray[np.float32]:
    """Rows scaled to length 1; shape (n, d). A row of zeros stays zero."""
    rows = np.asarray(embeddings, dtype=np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return rows / np.maximum(length, np.float32(1e-12))[:, None]


def normalised_on(device: str, embeddings: Floats) -> Any:
    """The same as a tensor on a device, which computes it where that is not the CPU."""
    import torch

    if device == "cpu":
        return torch.from_numpy(normalised(embeddings))
    rows = torch.from_numpy(np.asarray(embeddings, dtype=np.float32)).to(device)
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)


def cosine(first: Floats, second: Floats) -> NDArray[np.float32]:
    """Cosine of every row of `first`, shape (n, d), with every row of `second`, shape (m, d): shape (n, m)."""
    left, right = (normalised_on("cpu", each) for each in (first, second))
    similarity: NDArray[np.float32] = (with_enough_rows(left) @ right.T)[: len(left)].numpy()
    return similarity


def with_enough_rows(left: Any) -> Any:
    """A tensor, shape (n, d), with rows of zeros below it where a product's rounding would depend on the threads."""
    from torch.nn.functional import pad

    return pad(left, (0, 0, 0, max(0, ENOUGH_ROWS - len(left))))
