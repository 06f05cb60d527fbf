from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pytest_mieb.protocols import pair_classification

METRICS = ("text_acc", "image_acc", "accuracy")
EAST, NORTH, NORTHEAST = [1, 0], [0, 1], [1, 1]


def scores(images: Sequence[Sequence[Sequence[float]]], texts: Sequence[Sequence[Sequence[float]]]) -> dict[str, float]:
    found = pair_classification.match(np.array(images, np.float32), np.array(texts, np.float32), "accuracy").metrics
    return dict(found)


@pytest.mark.parametrize(
    ("images", "texts", "text_acc", "image_acc"),
    [
        pytest.param([EAST, NORTH], [EAST, NORTH], 1, 1, id="both find both"),
        pytest.param([EAST, NORTH], [NORTH, EAST], 0, 0, id="crossed"),
        # Cosines: image 0 with texts (1, 0.71), image 1 with (0.32, 0.89): every image finds its text.
        # Text 0 finds image 0, but text 1 prefers image 1 (0.89 over 0.71): every text finds its image too.
        pytest.param([EAST, [1, 3]], [EAST, NORTHEAST], 1, 1, id="close"),
        # Image 0 (45 degrees) with texts at 0 and 100: nearer to text 0. Image 1 (60) is nearer to text 1 (40 over 60
        # degrees). Text 0 is nearer to image 0 (45 over 60), text 1 to image 1 (40 over 55).
        # With texts at 0 and 80 image 0 is nearer to text 1 (35 over 45): no text_acc. Text 1: 20 over 35 degrees.
        pytest.param(
            [[np.cos(np.pi / 4), np.sin(np.pi / 4)], [np.cos(np.pi / 3), np.sin(np.pi / 3)]],
            [[1, 0], [np.cos(np.pi * 4 / 9), np.sin(np.pi * 4 / 9)]],
            0,
            1,
            id="texts find their images only",
        ),
    ],
)
def test_a_row_counts_where_all_find_their_partner(
    images: list[list[float]], texts: list[list[float]], text_acc: float, image_acc: float
) -> None:
    assert scores([images], [texts]) == {
        "text_acc": text_acc,
        "image_acc": image_acc,
        "accuracy": min(text_acc, image_acc),
    }


def test_one_image_with_several_texts_is_right_where_the_first_is_best() -> None:
    rows = scores([[EAST], [NORTH], [EAST]], [[EAST, NORTH, NORTHEAST], [EAST, NORTH, NORTHEAST], [EAST, NORTH, NORTH]])
    assert rows["text_acc"] == pytest.approx(2 / 3)
    assert rows["image_acc"] == rows["accuracy"] == 0  # two texts have no image of their own


def test_one_text_with_several_images_is_right_where_the_first_is_best() -> None:
    rows = scores([[EAST, NORTH], [NORTH, EAST]], [[EAST], [EAST]])
    assert (rows["image_acc"], rows["text_acc"]) == (1 / 2, 0)


def test_a_tie_is_no_win() -> None:
    same = [EAST, EAST]
    assert scores([same], [same]) == dict.fromkeys(METRICS, 0)
    assert scores([[EAST]], [[NORTH, NORTH, NORTH]])["text_acc"] == 0


def test_lengths_do_not_matter() -> None:
    assert scores([[EAST, NORTH]], [[[0.01, 0], [0, 100]]]) == dict.fromkeys(METRICS, 1)


@pytest.mark.parametrize(("metric", "outcomes"), [("text_acc", [0, 1]), ("image_acc", [0, 1]), ("accuracy", [0, 1])])
def test_outcomes_are_one_a_row_of_the_metric_asked_for(metric: str, outcomes: list[int]) -> None:
    images = np.array([[EAST, NORTH], [EAST, NORTH]], np.float32)
    texts = np.array([[NORTH, EAST], [EAST, NORTH]], np.float32)
    scored = pair_classification.match(images, texts, metric)
    assert scored.outcomes.tolist() == outcomes
    assert scored.metrics[metric] == 1 / 2


def test_outcomes_differ_where_the_metrics_do() -> None:
    images, texts = np.array([[EAST]], np.float32), np.array([[EAST, NORTH]], np.float32)
    by_metric = {name: pair_classification.match(images, texts, name).outcomes.tolist() for name in METRICS}
    assert by_metric == {"text_acc": [1], "image_acc": [0], "accuracy": [0]}
