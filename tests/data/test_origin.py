"""A row keeps the split and the number that its dataset knows it by."""

from __future__ import annotations

import pytest

from pytest_mieb.data.origin import REMEDY, Origin, Place

TEST, TRAIN = (
    Origin.whole("org/name (revision main)", "split test", 3),
    Origin.whole("org/name (revision main)", "split train", 4),
)


@pytest.mark.parametrize(
    ("origin", "places"),
    [
        (TEST, [("split test", 0), ("split test", 1), ("split test", 2)]),
        (TRAIN.take([3, 1, 3]), [("split train", 3), ("split train", 1), ("split train", 3)]),
        (TRAIN.take([1, 2, 3]).take([2, 0]), [("split train", 3), ("split train", 1)]),
        (TRAIN.take([]), []),
        (
            Origin.joined([TEST.take([2]), TRAIN.take([0, 3])], "both"),
            [("split test", 2), ("split train", 0), ("split train", 3)],
        ),
        (Origin.joined([TEST, TRAIN], "both").take([6, 0]), [("split train", 3), ("split test", 0)]),
        (
            Origin.joined([Origin.joined([TEST.take([1]), TRAIN.take([2])], "both"), TEST.take([0])], "all"),
            [("split test", 1), ("split train", 2), ("split test", 0)],
        ),
    ],
)
def test_places(origin: Origin, places: list[tuple[str, int]]) -> None:
    assert [origin.place(index) for index in range(len(origin.row))] == places


def test_an_error_names_the_split_of_its_row_or_all_of_them() -> None:
    both = Origin.joined([TEST, TRAIN], "both splits")
    place = both.place(5)
    assert str(place) == "row 2" and place == Place("split train", 2)
    said = [both.error("no cat"), both.error(f"no cat in {place}", place), both.error("no cat", remedy="get one")]
    assert [str(error) for error in said] == [
        f"dataset org/name (revision main), both splits: no cat; {REMEDY}",
        f"dataset org/name (revision main), split train: no cat in row 2; {REMEDY}",
        "dataset org/name (revision main), both splits: no cat; get one",
    ]
