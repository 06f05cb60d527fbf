from __future__ import annotations

import numpy as np
import pytest

from pytest_mieb.protocols import zero_shot


def test_the_class_is_that_of_the_nearest_prompt_by_cosine() -> None:
    prompts = np.array([[1, 0], [0, 50]], np.float32)  # a long prompt wins nothing by its length
    images = np.array([[3, 1], [1, 3], [1, 2]], np.float32)
    scored = zero_shot.classify(images, prompts, [0, 1, 0])
    assert scored.outcomes.tolist() == [1, 1, 0]
    assert scored.metrics["accuracy"] == pytest.approx(2 / 3)


def test_of_equally_near_prompts_the_first_is_taken() -> None:
    prompts = np.array([[0, 1], [1, 0], [2, 0]], np.float32)
    images = np.array([[1, 0], [1, 0]], np.float32)
    assert zero_shot.classify(images, prompts, [1, 2]).outcomes.tolist() == [1, 0]


def test_two_classes_have_an_average_precision_by_the_cosine_with_the_second() -> None:
    prompts = np.eye(2, dtype=np.float32)
    images = np.array([[0, 1], [1, 3], [1, 2], [1, 0]], np.float32)  # in falling order of that cosine
    scored = zero_shot.classify(images, prompts, [1, 0, 1, 0])
    # Positives at the ranks 1 and 3: precision 1/1 and 2/3, each a half of the recall.
    assert scored.metrics["ap"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)


@pytest.mark.parametrize("labels", [[0, 2, 2], [0, 0, 0], [0, 1, 1]])
def test_classes_that_no_image_has_are_no_trouble(labels: list[int]) -> None:
    images = np.eye(3, dtype=np.float32)
    scored = zero_shot.classify(images, np.eye(3, dtype=np.float32), labels)
    assert scored.metrics["accuracy"] == pytest.approx(sum(row == label for row, label in enumerate(labels)) / 3)
