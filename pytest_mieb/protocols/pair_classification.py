"""Compositionality: within one row, every image must find its text and every text its image.

Source: Thrush et al., 2022 (Winoground), whose text, image and group score these are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import CaptionedImages, Rows
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.similarity import normalised
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    """The columns of a row, each by its modality and its place."""
    assert isinstance(rows, CaptionedImages)
    images = {f"image {place}": column for place, column in enumerate(rows.images)}
    return images | {f"text {place}": column for place, column in enumerate(rows.texts)}


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    assert isinstance(rows, CaptionedImages)
    images = np.stack([embeddings[f"image {place}"] for place in range(len(rows.images))], axis=1)
    texts = np.stack([embeddings[f"text {place}"] for place in range(len(rows.texts))], axis=1)
    return match(images, texts, task.metric)


def match(images: Floats, texts: Floats, metric: str) -> Scored:
    """Share of rows in which all images (`text_acc`), all texts (`image_acc`) or both (`accuracy`) find their partner.

    Args:
        images: shape (n, i, d).
        texts: shape (n, t, d). Image k and text k of a row belong together.
        metric: whose rows the outcomes are.

    An exact tie is no win: a model that gives every caption the same embedding must not score 100 %.
    Outcomes: 1 for a row that counts.
    """
    rows, dimension = images.shape[0], images.shape[-1]
    left = normalised(images.reshape(-1, dimension)).reshape(rows, -1, dimension)
    right = normalised(texts.reshape(-1, dimension)).reshape(rows, -1, dimension)
    similarity = left @ right.transpose(0, 2, 1)
    text_found = _all_find_their_partner(similarity)
    image_found = _all_find_their_partner(similarity.transpose(0, 2, 1))
    found = {"image_acc": image_found, "text_acc": text_found, "accuracy": text_found & image_found}
    return Scored(
        metrics={name: float(rows.mean()) for name, rows in found.items()}, outcomes=found[metric].astype(np.uint8)
    )


def _all_find_their_partner(similarity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For (n, a, b): whether entry k of every a-row k is strictly its largest; one without a partner never is."""
    rows, left, right = similarity.shape
    if left > right:
        return np.zeros(rows, dtype=bool)
    diagonal = np.arange(left)
    own = similarity[:, diagonal, diagonal]
    others = similarity.copy()
    others[:, diagonal, diagonal] = -np.inf
    return (own > others.max(axis=2)).all(axis=1)


PROTOCOL = ProtocolSpec(
    name="pair_classification",
    takes="captioned images",
    metrics={"accuracy": "mean", "image_acc": "mean", "text_acc": "mean"},
    inputs=inputs,
    score=score,
    modalities=frozenset({"image", "text"}),
)
