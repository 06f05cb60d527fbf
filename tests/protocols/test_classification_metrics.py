from __future__ import annotations

import numpy as np
import pytest

from pytest_mieb.protocols.classification_metrics import classification_metrics

# Of class 0 there are three, of class 1 there is one; one of class 0 is taken for class 1.
TRUTH, PREDICTED = [0, 0, 0, 1], np.array([0, 0, 1, 1])
BY_HAND = {
    "accuracy": 3 / 4,
    "precision": (2 / 2 + 1 / 2) / 2,
    "precision_weighted": 3 / 4 * 1 + 1 / 4 * 1 / 2,
    "recall": (2 / 3 + 1 / 1) / 2,
    "recall_weighted": 3 / 4 * 2 / 3 + 1 / 4 * 1,
    "f1": (4 / 5 + 2 / 3) / 2,  # 2 * 1 * (2/3) / (1 + 2/3) and 2 * (1/2) * 1 / (1/2 + 1)
    "f1_weighted": 3 / 4 * 4 / 5 + 1 / 4 * 2 / 3,
    "ap": 1 / 2,  # the prediction as a score: both predicted 1 share the first rank, one of them is right
    "ap_weighted": 1 / 2,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_two_classes(name: str) -> None:
    assert classification_metrics(TRUTH, PREDICTED)[name] == pytest.approx(BY_HAND[name])


def test_scores_of_the_second_class_decide_its_average_precision() -> None:
    # Falling, they name the truths 0, 1, 0, 0: the one positive is second.
    found = classification_metrics(TRUTH, PREDICTED, np.array([0.9, 0.1, 0.2, 0.8]))
    assert found["ap"] == pytest.approx(1 / 2)
    assert classification_metrics(TRUTH, PREDICTED, np.array([0.1, 0.1, 0.2, 0.8]))["ap"] == 1


@pytest.mark.parametrize(("truth", "predicted"), [([0, 1, 2], [0, 1, 2]), ([1, 1], [1, 1])])
def test_average_precision_is_for_two_classes_only(truth: list[int], predicted: list[int]) -> None:
    assert "ap" not in classification_metrics(truth, np.array(predicted))


def test_two_classes_may_be_texts() -> None:
    found = classification_metrics(["cat", "dog"], np.array(["cat", "cat"]))
    assert found["accuracy"] == 1 / 2


@pytest.mark.parametrize("classes", [(0, 1), (0, 5), (3, 7)])
def test_the_second_of_two_classes_is_the_positive_one_whatever_its_number(classes: tuple[int, int]) -> None:
    low, high = classes
    assert classification_metrics([low, high, high], np.array([low, high, low]))["ap"] == pytest.approx(
        1 / 2 * 1 + 1 / 2 * 2 / 3  # one of the two is found first, the other shares the last rank with the negative
    )


def test_a_class_that_is_never_predicted_has_precision_0() -> None:
    found = classification_metrics([0, 1, 2], np.array([0, 0, 0]))
    assert found["precision"] == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert found["recall"] == pytest.approx((1 + 0 + 0) / 3)
    assert found["f1"] == pytest.approx((1 / 2 + 0 + 0) / 3)
