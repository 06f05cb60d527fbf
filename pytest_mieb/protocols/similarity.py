"""Cosine similarity in float32, whatever type the model computes in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.protocols.scored import Floats


def normalised(embeddings: Floats) -> NDArray[np.float32]:
    """Rows scaled to length 1; shape (n, d). A row of zeros stays zero."""
    rows = np.asarray(embeddings, dtype=np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return rows / np.maximum(length, np.float32(1e-12))[:, None]


def cosine(first: Floats, second: Floats) -> NDArray[np.float32]:
    """Cosine of every row of `first`, shape (n, d), with every row of `second`, shape (m, d): shape (n, m)."""
    similarity: NDArray[np.float32] = normalised(first) @ normalised(second).T
    return similarity
