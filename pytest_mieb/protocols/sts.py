"""Visual semantic textual similarity: do similar sentences, rendered as images, get similar embeddings?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Rows, ScoredPairs
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    assert isinstance(rows, ScoredPairs)
    return {"first": rows.first, "second": rows.second}


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    assert isinstance(rows, ScoredPairs)
    return correlate(embeddings["first"], embeddings["second"], rows.scores)


def correlate(first: Floats, second: Floats, scores: NDArray[np.float64]) -> Scored:
    """Spearman correlation of the cosine of two images with the human score of their sentences.

    Args:
        first, second: embeddings of the pairs, shape (n, d) each.
        scores: the human scores, shape (n,).

    Equal values share their mean rank. Also Pearson, and both for negative Manhattan and Euclidean distances.
    A correlation that is not defined (all cosines equal, or all scores) is NaN, which is no score.
    Outcomes: the cosines; truth: the scores.
    """
    cosines = paired_cosine(first, second)
    difference = np.asarray(first, dtype=np.float32) - np.asarray(second, dtype=np.float32)
    similarities = {
        "cosine": cosines,
        "manhattan": -np.abs(difference).sum(axis=1),
        "euclidean": -np.sqrt(np.einsum("nd,nd->n", difference, difference)),
    }
    metrics = {}
    for name, values in similarities.items():
        metrics[f"{name}_pearson"] = _correlation("pearsonr", values, scores)
        metrics[f"{name}_spearman"] = _correlation("spearmanr", values, scores)
    return Scored(metrics=metrics, outcomes=cosines, truth=scores)


def paired_cosine(first: Floats, second: Floats) -> NDArray[np.float32]:
    """1 - |a/|a| - b/|b||^2 / 2, shape (n,): two identical rows tie at exactly 1, which a dot product scatters."""
    from sklearn.metrics.pairwise import paired_cosine_distances

    distances: NDArray[np.float32] = paired_cosine_distances(
        np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    )
    return 1 - distances


def _correlation(kind: str, values: NDArray[np.float32], scores: NDArray[np.float64]) -> float:
    from scipy import stats

    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(scores) == 0:
        return float("nan")
    return float(getattr(stats, kind)(scores, values)[0])


PROTOCOL = ProtocolSpec(
    name="sts",
    takes="scored pairs",
    metrics={"cosine_spearman": "spearman", "cosine_pearson": None},
    inputs=inputs,
    score=score,
    modalities=frozenset({"image"}),
)
