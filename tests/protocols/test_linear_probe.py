from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from pytest_mieb.protocols import linear_probe

# What RandomState(42) makes of 0..5; shuffled so once more, place i gets what was at place SHUFFLED[i].
SHUFFLED = [0, 1, 5, 2, 4, 3]
TWICE = [0, 1, 3, 5, 4, 2]


def test_each_experiment_shuffles_what_the_one_before_left_with_the_same_seed() -> None:
    assert linear_probe.draw("aaabbb", n_experiments=2, samples_per_label=6) == [SHUFFLED, TWICE]


def test_a_row_is_kept_while_its_label_has_too_few() -> None:
    # The rows 0, 1, 2 are a and 3, 4, 5 are b. Walking 0 1 5 2 4 3 keeps 0 and 5; walking 0 1 3 5 4 2 keeps 0 and 3.
    assert linear_probe.draw("aaabbb", n_experiments=2, samples_per_label=1) == [[0, 5], [0, 3]]
    assert linear_probe.draw("aaabbb", n_experiments=2, samples_per_label=2) == [[0, 1, 5, 4], [0, 1, 3, 5]]


def test_a_label_with_fewer_rows_gives_all_of_them() -> None:
    assert linear_probe.draw("abbbbb", n_experiments=1, samples_per_label=2) == [[0, 1, 5]]


TRAIN = np.array([[-2], [-1], [1], [2]], np.float32)
TEST = np.array([[-3], [-0.5], [0.5], [3]], np.float32)


def test_the_score_is_the_mean_accuracy_of_the_experiments() -> None:
    # Learnt from rows 0 and 3 low is "a"; learnt from rows 1 and 2, whose labels are the other way round, low is "b".
    scored = linear_probe.probe(TRAIN, ["a", "b", "a", "b"], [[0, 3], [1, 2]], TEST, ["a", "a", "b", "a"], 1)
    assert scored.outcomes.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]
    assert scored.metrics["accuracy"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    each = scored.details["scores_per_experiment"]
    assert [metrics["accuracy"] for metrics in each] == [3 / 4, 1 / 4]
    assert scored.details["samples_per_label"] == 1


def test_f1_of_an_experiment() -> None:
    # Predicted a a b b for a b b b: a has precision 1/2 and recall 1, b has precision 1 and recall 2/3.
    scored = linear_probe.probe(TRAIN, ["a", "a", "b", "b"], [[0, 1, 2, 3]], TEST, ["a", "b", "b", "b"], 2)
    assert scored.metrics["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scored.metrics["f1_weighted"] == pytest.approx(1 / 4 * 2 / 3 + 3 / 4 * 4 / 5)


def test_a_label_that_was_never_learnt_is_never_predicted() -> None:
    scored = linear_probe.probe(TRAIN, [0, 0, 1, 1], [[0, 3]], TEST, [0, 2, 1, 2], 1)
    assert scored.outcomes[:, 0].tolist() == [1, 0, 1, 0]


def test_the_fit_sees_float64_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, set[int]]] = []
    fit = LogisticRegression.fit

    def spy(self: LogisticRegression, train: Any, labels: Any) -> LogisticRegression:
        assert (self.max_iter, self.random_state) == (100, 42)
        seen.append((train.dtype, {pool["num_threads"] for pool in threadpool_info()}))
        return fit(self, train, labels)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    linear_probe.probe(TRAIN, [0, 0, 1, 1], [[0, 3]], TEST, [0, 0, 1, 1], 1)
    assert seen == [(np.float64, {1})]


def test_the_number_of_threads_does_not_move_an_unconverged_fit() -> None:
    generator = np.random.default_rng(0)
    train, test = (generator.normal(size=(n, 64)).astype(np.float32) * 30 for n in (60, 200))
    labels, truth = generator.integers(0, 6, 60).tolist(), generator.integers(0, 6, 200).tolist()
    outcomes = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            outcomes.append(linear_probe.probe(train, labels, [list(range(60))], test, truth, 10).outcomes.tolist())
    assert outcomes[0] == outcomes[1]


def test_how_many_fits_are_done_at_a_time_moves_nothing() -> None:
    import torch

    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 20).tolist()
    train, test = (random.standard_normal((100, 8)).astype(np.float32) for _ in range(2))
    draws = linear_probe.draw(labels, 5, 4)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(linear_probe.probe(train, labels, draws, test, labels, 4))
    torch.set_num_threads(before)
    assert np.array_equal(found[0].outcomes, found[1].outcomes) and found[0].metrics == found[1].metrics
    assert not np.array_equal(found[0].outcomes[:, 0], found[0].outcomes[:, 1])  # they are different fits
