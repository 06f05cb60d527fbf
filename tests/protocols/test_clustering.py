from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_info, threadpool_limits

from pytest_mieb.protocols import clustering


def entropy(*shares: float) -> float:
    return -sum(share * log(share) for share in shares)


def test_clusters_that_are_the_labels_are_perfect_whatever_their_numbers() -> None:
    scored = clustering.score(np.array([[9.0], [0.0], [9.1], [0.1]], np.float32), ["b", "a", "b", "a"])
    assert set(scored.metrics) == {"nmi", "v_measure", "ari", "cluster_accuracy"}
    assert all(value == pytest.approx(1) for value in scored.metrics.values())
    assert scored.truth is not None and scored.truth.tolist() == [1, 0, 1, 0]
    clusters = scored.outcomes.tolist()
    assert clusters[0] == clusters[2] != clusters[1] == clusters[3]


def test_metrics_of_a_clustering_worked_out_by_hand() -> None:
    # Three images in one place and one far away: clusters of 3 and 1, labels 2 and 2, of which 2 + 0 and 1 + 1 agree.
    scored = clustering.score(np.array([[0], [0], [0], [10]], np.float32), ["a", "a", "b", "b"])
    labels, clusters = entropy(1 / 2, 1 / 2), entropy(3 / 4, 1 / 4)
    information = labels - 3 / 4 * entropy(2 / 3, 1 / 3)
    assert scored.metrics["nmi"] == pytest.approx(information / ((labels + clusters) / 2))
    assert scored.metrics["v_measure"] == pytest.approx(scored.metrics["nmi"])  # its harmonic mean is the same number
    # Pairs together in both: 1; in the labels 2, in the clusters 3, of 6; expected 2 * 3 / 6 = 1.
    assert scored.metrics["ari"] == pytest.approx((1 - 1) / ((2 + 3) / 2 - 1))
    assert scored.metrics["cluster_accuracy"] == 3 / 4


def test_lengths_count_because_nothing_is_normalised() -> None:
    scored = clustering.score(np.array([[1, 1], [1.1, 1.1], [90, 90], [91, 91]], np.float32), [0, 0, 1, 1])
    assert scored.metrics["nmi"] == pytest.approx(1)


def test_the_fit_has_as_many_clusters_as_labels_in_float64_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    fit = MiniBatchKMeans.fit

    def spy(self: MiniBatchKMeans, embeddings: Any) -> MiniBatchKMeans:
        seen.append((self.n_clusters, self.batch_size, self.n_init, self.random_state, embeddings.dtype))
        seen.append({pool["num_threads"] for pool in threadpool_info()})
        return fit(self, embeddings)

    monkeypatch.setattr(MiniBatchKMeans, "fit", spy)
    clustering.score(np.eye(5, dtype=np.float32), [4, 7, 7, 9, 4])
    assert seen == [(3, 500, "auto", 42, np.float64), {1}]


def test_the_number_of_threads_does_not_move_the_clusters() -> None:
    embeddings = np.random.default_rng(0).normal(size=(1200, 32)).astype(np.float32)
    labels = [row % 10 for row in range(1200)]
    outcomes = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            outcomes.append(clustering.score(embeddings, labels).outcomes.tolist())
    assert outcomes[0] == outcomes[1]
