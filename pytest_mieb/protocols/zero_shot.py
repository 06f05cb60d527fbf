"""Zero-shot classification: the class whose prompt is most similar to the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_mieb.protocols.classification_metrics import classification_metrics
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.similarity import cosine


def score(images: Floats, prompts: Floats, labels: Sequence[int]) -> Scored:
    """Accuracy of the nearest prompt by cosine; of equally near ones the first.

    Args:
        images: shape (n, d).
        prompts: one a class, in class order, shape (c, d).
        labels: the class of each image, n of them.

    Outcomes: 1 for a right class.
    """
    similarity = cosine(images, prompts)
    truth = np.asarray(labels)
    predicted = similarity.argmax(axis=1)
    positive = similarity[:, 1] if similarity.shape[1] == 2 else None
    return Scored(
        metrics=classification_metrics(truth, predicted, positive), outcomes=(predicted == truth).astype(np.uint8)
    )
