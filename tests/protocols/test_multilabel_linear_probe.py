from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score

from pytest_mieb.protocols import multilabel_linear_probe as probe


class Reversing:
    """A random generator whose shuffles can be followed by hand."""

    made: list[int]

    def __init__(self, seed: int) -> None:
        self.made.append(seed)

    def shuffle(self, rows: list[int]) -> None:
        rows.reverse()


def test_a_row_is_kept_if_any_of_its_labels_has_too_few_and_then_all_of_them_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reversing, "made", [], raising=False)
    monkeypatch.setattr(np.random, "default_rng", Reversing)
    labels = [[0], [0, 1], [1], [1], [2]]
    # Walking 4, 3, 2, 1, 0: 4 is the first of label 2, 3 of label 1; 2 is a second one of label 1; 1 is the first of
    # label 0; 0 is a second one of it. The second experiment starts from a fresh list, and walks the same way.
    assert probe.draw(labels, n_experiments=2, samples_per_label=1) == [[4, 3, 1], [4, 3, 1]]
    assert Reversing.made == [42]  # one generator for all experiments
    # With two of each: 4, 3, 2 (the second of label 1), 1 (the first of label 0), 0 (its second).
    assert probe.draw(labels, n_experiments=1, samples_per_label=2) == [[4, 3, 2, 1, 0]]


def test_experiments_walk_as_one_generator_shuffles_fresh_lists() -> None:
    generator = np.random.default_rng(42)
    walks = []
    for _ in range(3):
        rows = list(range(20))
        generator.shuffle(rows)
        walks.append(rows)
    assert probe.draw([[0]] * 20, n_experiments=3, samples_per_label=20) == walks
    assert probe.draw([[0]] * 20, n_experiments=3, samples_per_label=2) == [walk[:2] for walk in walks]


def test_a_row_without_labels_is_never_drawn() -> None:
    assert probe.draw([[], [0]], n_experiments=1, samples_per_label=5) == [[1]]


# Five rows to learn from are all neighbours of everything: label 0 has three votes of five, label 1 two, so {0} is
# predicted everywhere.
TRAIN = np.arange(5, dtype=np.float32)[:, None]
TRAIN_LABELS = [[0], [0], [0], [1], [1]]
TEST = np.zeros((3, 1), np.float32)
TEST_LABELS = [[0], [1], [0, 1]]


def test_metrics_of_a_prediction_worked_out_by_hand() -> None:
    scored = probe.probe(TRAIN, TRAIN_LABELS, [[0, 1, 2, 3, 4]], TEST, TEST_LABELS, 8)
    # Scores 1, 0 for {0}: its label is first, 1/1. For {1}: its label is second, one true among two, 1/2. Both: 1.
    assert scored.outcomes.tolist() == [[1], [1 / 2], [1]]
    assert scored.metrics["lrap"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert scored.metrics["accuracy"] == pytest.approx(1 / 3)
    assert scored.metrics["hamming"] == pytest.approx((1 + 0 + 1 / 2) / 3)
    # Label 0: precision 2/3, recall 1. Label 1 is never predicted.
    assert scored.metrics["f1"] == pytest.approx((4 / 5 + 0) / 2)
    assert scored.details["samples_per_label"] == 8


def test_the_score_is_the_mean_over_experiments() -> None:
    # The second experiment learns the five rows again, but two of label 0 and three of label 1: {1} everywhere.
    train, labels = np.concatenate([TRAIN, TRAIN]), [*TRAIN_LABELS, [1], [1], [1], [0], [0]]
    draws = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    scored = probe.probe(train, labels, draws, TEST, TEST_LABELS, 8)
    assert scored.outcomes.tolist() == [[1, 1 / 2], [1 / 2, 1], [1, 1]]
    assert scored.metrics["lrap"] == pytest.approx((2.5 / 3 + 2.5 / 3) / 2)


def test_a_label_that_the_test_split_lacks_is_left_out() -> None:
    labels = [[0, 9], [0], [0], [1], [1]]
    assert probe.probe(TRAIN, labels, [[0, 1, 2, 3, 4]], TEST, TEST_LABELS, 8).outcomes.tolist() == [[1], [1 / 2], [1]]


LRAP = {
    "first": ([1, 0, 0], [3, 2, 1], 1),
    "last": ([0, 0, 1], [3, 2, 1], 1 / 3),
    "two of three": ([1, 0, 1], [3, 2, 1], (1 / 1 + 2 / 3) / 2),
    "equal scores share the worst rank": ([1, 0, 0], [1, 1, 0], 1 / 2),
    "all scores equal": ([1, 1, 0, 0], [0, 0, 0, 0], (2 / 4 + 2 / 4) / 2),
    "no label": ([0, 0, 0], [3, 2, 1], 1),
    "every label": ([1, 1, 1], [3, 2, 1], 1),
}


@pytest.mark.parametrize("case", LRAP)
def test_label_ranking_average_precision(case: str) -> None:
    truth, scores, expected = LRAP[case]
    found = probe.ranking_average_precision(np.array([truth]), np.array([scores]))
    assert found.tolist() == [pytest.approx(expected)]
    assert label_ranking_average_precision_score([truth], [scores]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [([1, 0, 1], [1, 1, 0], 1 / 3), ([1, 1], [1, 1], 1), ([1, 0], [0, 1], 0), ([0, 0], [0, 0], 1), ([0, 0], [1, 0], 0)],
)
def test_shared_labels_over_labels_in_either(truth: list[int], predicted: list[int], expected: float) -> None:
    assert probe.jaccard(np.array([truth]), np.array([predicted])).tolist() == [pytest.approx(expected)]
