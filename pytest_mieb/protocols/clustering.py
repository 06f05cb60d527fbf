"""Clustering: k-means on the embeddings of a split, compared with its labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Labelled, Rows
from pytest_mieb.protocols.scored import Floats, Repeats, Scored
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task

SEED = 42
RESTARTS = 8
# Fits that start alike for every model, and of how many images of a class each of their centres is the mean at first.
FITS, IMAGES_OF_A_CLASS = 16, 4


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    assert isinstance(rows, Labelled)
    return {"test": rows.test.inputs}


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    assert isinstance(rows, Labelled)
    return cluster(embeddings["test"], rows.test.labels, task.metric)


def cluster(embeddings: Floats, labels: Sequence[Any], metric: str = "nmi") -> Scored:
    """Normalised mutual information of clusters and labels, with as many clusters as there are labels.

    Args:
        embeddings: shape (n, d), not normalised.
        labels: n of them.
        metric: the one that the scores of `Repeats` are in.

    The fit is done in float64 and on one thread, on which mini-batch k-means depends. Outcomes: the cluster of each
    image; truth: its label as an index.

    The fit settles elsewhere when the embeddings move by a thousandth, and the score with it, by several points where
    there are few clusters. So k-means is done again: as the score's, from `RESTARTS` other seeds, which shows how far
    one fit is from another; and to convergence from the means of a few images of every class, the same images whatever
    the model, so that the fits of two models begin at the same place.
    """
    from threadpoolctl import threadpool_limits

    names, truth = np.unique(np.asarray(labels), return_inverse=True)
    wide = np.asarray(embeddings, dtype=np.float64)
    with threadpool_limits(limits=1):
        clusters = _mini_batch(wide, len(names), SEED)
        restarts = [_mini_batch(wide, len(names), SEED + 1 + number) for number in range(RESTARTS)]
        fits = [_from_centres(np.asarray(embeddings, np.float32), images) for images in anchors(truth)]
    measure = METRICS[metric]
    repeats = Repeats(
        fits=np.stack(fits, axis=1).astype(np.int32),
        scores=np.array([measure(truth, each) for each in fits]),
        restarts=np.array([measure(truth, each) for each in restarts]),
    )
    return Scored(
        metrics={name: function(truth, clusters) for name, function in METRICS.items()},
        outcomes=clusters.astype(np.int32),
        truth=truth.astype(np.int32),
        repeats=repeats,
        details={"fits_that_start_alike": repeats.scores.tolist(), "restarts": repeats.restarts.tolist()},
    )


def anchors(truth: NDArray[np.integer]) -> list[list[NDArray[np.intp]]]:
    """The images whose means each of the `FITS` starts from, by class: rows of `truth`, the labels as indices 0..k-1.

    They depend on the labels alone. A class with fewer images than `IMAGES_OF_A_CLASS` gives all that it has.
    """
    members = [np.flatnonzero(truth == label) for label in range(int(truth.max()) + 1)]
    generator = np.random.default_rng(SEED)
    return [
        [generator.choice(own, min(IMAGES_OF_A_CLASS, len(own)), replace=False) for own in members] for _ in range(FITS)
    ]


def _mini_batch(embeddings: NDArray[np.float64], k: int, seed: int) -> NDArray[np.integer]:
    from sklearn.cluster import MiniBatchKMeans

    fit = MiniBatchKMeans(n_clusters=k, batch_size=500, n_init="auto", random_state=seed).fit(embeddings)
    clusters: NDArray[np.integer] = fit.labels_
    return clusters


def _from_centres(embeddings: NDArray[np.float32], images: Sequence[NDArray[np.intp]]) -> NDArray[np.integer]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    centres = np.stack([embeddings[own].mean(axis=0) for own in images])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than classes
        fit = KMeans(n_clusters=len(centres), init=centres, n_init=1).fit(embeddings)
    clusters: NDArray[np.integer] = fit.labels_
    return clusters


def nmi(truth: NDArray[Any], clusters: NDArray[Any]) -> float:
    """Normalised by the arithmetic mean of the two entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(truth, clusters))


def v_measure(truth: NDArray[Any], clusters: NDArray[Any]) -> float:
    from sklearn.metrics import v_measure_score

    return float(v_measure_score(truth, clusters))


def ari(truth: NDArray[Any], clusters: NDArray[Any]) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(truth, clusters))


def cluster_accuracy(truth: NDArray[Any], clusters: NDArray[Any]) -> float:
    """The share of images in the cluster of their class, where classes and clusters are matched for the largest."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(truth, clusters)
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    return float(confusion[rows, columns].sum() / len(truth))


METRICS: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "nmi": nmi,
    "v_measure": v_measure,
    "ari": ari,
    "cluster_accuracy": cluster_accuracy,
}

PROTOCOL = ProtocolSpec(
    name="clustering",
    takes="labelled",
    metrics={"nmi": "mutual_information", "v_measure": "mutual_information", "ari": None},
    inputs=inputs,
    score=score,
    modalities=frozenset({"image"}),
    single_fit=True,
)
