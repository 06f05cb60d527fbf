"""Clustering: k-means on the embeddings of a split, compared with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_mieb.protocols.scored import Floats, Scored

SEED = 42


def score(embeddings: Floats, labels: Sequence[Any]) -> Scored:
    """Normalised mutual information of clusters and labels, with as many clusters as there are labels.

    Args:
        embeddings: shape (n, d), not normalised.
        labels: n of them.

    The fit is done in float64 and on one thread, on which mini-batch k-means depends. Outcomes: the cluster of each
    image; truth: its label as an index.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn import metrics
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    names, truth = np.unique(np.asarray(labels), return_inverse=True)
    kmeans = MiniBatchKMeans(n_clusters=len(names), batch_size=500, n_init="auto", random_state=SEED)
    with threadpool_limits(limits=1):
        kmeans.fit(np.asarray(embeddings, dtype=np.float64))
    clusters = kmeans.labels_
    confusion = metrics.confusion_matrix(truth, clusters)
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    return Scored(
        metrics={
            "nmi": float(metrics.normalized_mutual_info_score(truth, clusters)),
            "v_measure": float(metrics.v_measure_score(truth, clusters)),
            "ari": float(metrics.adjusted_rand_score(truth, clusters)),
            "cluster_accuracy": float(confusion[rows, columns].sum() / len(truth)),
        },
        outcomes=clusters.astype(np.int32),
        truth=truth.astype(np.int32),
    )
