"""Metrics of predicted classes, shared by the probes and zero-shot classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def classification_metrics(
    truth: Sequence[Any] | NDArray[Any], predicted: NDArray[Any], positive_scores: NDArray[Any] | None = None
) -> dict[str, float]:
    """Accuracy, and F1, precision and recall, macro-averaged and weighted by class size.

    Args:
        truth: the classes, shape (n,).
        predicted: the predicted classes, shape (n,).
        positive_scores: scores of the larger of two classes, shape (n,), for their average precision; without them
            the predictions themselves are ranked.

    A class that is never predicted has precision 0. `ap` and `ap_weighted` are there for two classes only.
    """
    from sklearn import metrics

    found = {"accuracy": float(np.mean(np.asarray(truth) == predicted))}
    *of_classes, support = metrics.precision_recall_fscore_support(truth, predicted, average=None, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), of_classes, strict=True):
        found[name] = float(np.mean(values))
        found[f"{name}_weighted"] = float(np.average(values, weights=support))
    classes = np.unique(np.asarray(truth))
    if len(classes) == 2:
        positive = np.asarray(truth) == classes[1]
        ranked = predicted == classes[1] if positive_scores is None else positive_scores
        for name, average in (("ap", "macro"), ("ap_weighted", "weighted")):
            found[name] = float(metrics.average_precision_score(positive, ranked, average=average))
    return found
