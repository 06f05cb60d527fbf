from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_info, threadpool_limits

from pytest_mieb.protocols import clustering


def entropy(*shares: float) -> float:
    return -sum(share * log(share) for share in shares)


def test_clusters_that_are_the_labels_are_perfect_whatever_their_numbers() -> None:
    scored = clustering.cluster(np.array([[9.0], [0.0], [9.1], [0.1]], np.float32), ["b", "a", "b", "a"])
    assert set(scored.metrics) == {"nmi", "v_measure", "ari", "cluster_accuracy"}
    assert all(value == pytest.approx(1) for value in scored.metrics.values())
    assert scored.truth is not None and scored.truth.tolist() == [1, 0, 1, 0]
    clusters = scored.outcomes.tolist()
    assert clusters[0] == clusters[2] != clusters[1] == clusters[3]


def test_metrics_of_a_clustering_worked_out_by_hand() -> None:
    # Three images in one place and one far away: clusters of 3 and 1, labels 2 and 2, of which 2 + 0 and 1 + 1 agree.
    scored = clustering.cluster(np.array([[0], [0], [0], [10]], np.float32), ["a", "a", "b", "b"])
    labels, clusters = entropy(1 / 2, 1 / 2), entropy(3 / 4, 1 / 4)
    information = labels - 3 / 4 * entropy(2 / 3, 1 / 3)
    assert scored.metrics["nmi"] == pytest.approx(information / ((labels + clusters) / 2))
    assert scored.metrics["v_measure"] == pytest.approx(scored.metrics["nmi"])  # its harmonic mean is the same number
    # Pairs together in both: 1; in the labels 2, in the clusters 3, of 6; expected 2 * 3 / 6 = 1.
    assert scored.metrics["ari"] == pytest.approx((1 - 1) / ((2 + 3) / 2 - 1))
    assert scored.metrics["cluster_accuracy"] == 3 / 4


def test_lengths_count_because_nothing_is_normalised() -> None:
    scored = clustering.cluster(np.array([[1, 1], [1.1, 1.1], [90, 90], [91, 91]], np.float32), [0, 0, 1, 1])
    assert scored.metrics["nmi"] == pytest.approx(1)


def test_the_fit_has_as_many_clusters_as_labels_in_float64_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    fit = MiniBatchKMeans.fit

    def spy(self: MiniBatchKMeans, embeddings: Any) -> MiniBatchKMeans:
        seen.append((self.n_clusters, self.batch_size, self.n_init, self.random_state, embeddings.dtype))
        seen.append({pool["num_threads"] for pool in threadpool_info()})
        return fit(self, embeddings)

    monkeypatch.setattr(MiniBatchKMeans, "fit", spy)
    clustering.cluster(np.eye(5, dtype=np.float32), [4, 7, 7, 9, 4])
    assert seen[:2] == [(3, 500, "auto", 42, np.float64), {1}]
    restarts = [(3, 500, "auto", 43 + number, np.float64) for number in range(clustering.RESTARTS)]
    assert seen[2::2] == restarts and all(threads == {1} for threads in seen[1::2])


def test_the_number_of_threads_does_not_move_the_clusters() -> None:
    embeddings = np.random.default_rng(0).normal(size=(1200, 32)).astype(np.float32)
    labels = [row % 10 for row in range(1200)]
    outcomes = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            scored = clustering.cluster(embeddings, labels)
            assert scored.repeats is not None
            outcomes.append((scored.outcomes.tolist(), scored.repeats.fits.tolist(), scored.repeats.restarts.tolist()))
    assert outcomes[0] == outcomes[1]


def blurred(noise: float, seed: int = 0) -> tuple[NDArray[np.float32], list[int]]:
    """Forty classes that overlap, and a second layer of noise over them."""
    rng = np.random.default_rng(5)
    labels = np.arange(1000) % 40
    sound = rng.normal(size=(40, 24))[labels] + 1.6 * rng.normal(size=(1000, 24))
    return (sound + noise * np.random.default_rng(seed).normal(size=sound.shape)).astype(np.float32), labels.tolist()


def test_fits_that_start_alike_move_less_than_the_score_does() -> None:
    """Under noise of a thousandth of what the embeddings spread."""
    scores, means = [], []
    for seed in range(6):
        scored = clustering.cluster(*blurred(1e-3, seed))
        assert scored.repeats is not None
        scores.append(scored.metrics["nmi"])
        means.append(scored.repeats.scores.mean())
    assert np.ptp(scores) > 0.01
    assert np.ptp(means) < 0.002


def test_repeats_are_what_they_say() -> None:
    embeddings, labels = blurred(0)
    scored = clustering.cluster(embeddings, labels, "ari")
    repeats = scored.repeats
    assert repeats is not None and scored.truth is not None
    assert repeats.fits.shape == (1000, clustering.FITS)
    assert repeats.scores.tolist() == [clustering.ari(scored.truth, fit) for fit in repeats.fits.T]
    other = MiniBatchKMeans(40, batch_size=500, n_init="auto", random_state=clustering.SEED + 1)
    with threadpool_limits(1):
        clusters = other.fit(embeddings.astype(np.float64)).labels_
    assert repeats.restarts[0] == clustering.ari(scored.truth, clusters)
    assert len(repeats.restarts) == clustering.RESTARTS
    # Started at the classes themselves, k-means finds more of them than started anywhere.
    assert repeats.scores.mean() > repeats.restarts.mean()


def test_fits_start_at_the_same_images_of_every_class_whatever_the_model() -> None:
    truth = np.array([0, 1, 1, 1, 1, 1, 2, 2])
    starts = clustering.anchors(truth)
    assert len(starts) == clustering.FITS
    for fit in starts:
        assert [sorted(truth[own].tolist()) for own in fit] == [[0], [1] * 4, [2, 2]]
        assert all(len(set(own.tolist())) == len(own) for own in fit)
    assert len({tuple(sorted(fit[1].tolist())) for fit in starts}) > 1
    again = clustering.anchors(truth)
    assert all(
        np.array_equal(a, b) for one, two in zip(starts, again, strict=True) for a, b in zip(one, two, strict=True)
    )


def test_fewer_distinct_images_than_classes_are_no_warning() -> None:
    scored = clustering.cluster(np.ones((6, 3), np.float32), [0, 1, 2, 0, 1, 2])
    assert scored.repeats is not None and scored.repeats.fits.max() == 0
