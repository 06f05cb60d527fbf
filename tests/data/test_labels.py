"""Labels, checked row by row, and two splits of them brought to one set of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_mieb.data import DatasetError
from pytest_mieb.data.findings import Finding
from pytest_mieb.data.labels import CHOOSE, UNLABELLED, Labels, checked, matched, refuse_single

FRUIT = ("apple", "banana", "cherry")
NAN = float("nan")


def labels(
    values: Sequence[Any],
    names: tuple[str, ...] | None = None,
    where: str = "split test",
    rows: Sequence[int] | None = None,
    several: bool | None = None,
) -> Labels:
    def error(sentence: str, remedy: str) -> DatasetError:
        return DatasetError(f"{sentence}; {remedy}")

    lists = any(isinstance(value, list) for value in values) if several is None else several
    return Labels("kind", where, values, rows or range(len(values)), names, lists, error)


ONE_WAY = "write all labels in one way"
REFUSED = {
    "None": (labels(["a", None, None]), "no label in 2 of 3 rows, the first of them row 1", UNLABELLED),
    "NaN": (labels([1.0, NAN]), "no label in 1 of 2 rows, the first of them row 1", UNLABELLED),
    "an empty text": (labels(["a", " "]), "no label in 1 of 2 rows, the first of them row 1 (' ')", UNLABELLED),
    "-1 of a ClassLabel": (
        labels([0, -1, 2, -1], FRUIT),
        "no label in 2 of 4 rows, the first of them row 1 (-1, of 3 classes)",
        UNLABELLED,
    ),
    "a number beyond the names": (
        labels([0, 3], FRUIT),
        "no label in 1 of 2 rows, the first of them row 1 (3, of 3 classes)",
        UNLABELLED,
    ),
    "the dataset's row, behind a selection": (
        labels([0, -1], FRUIT, rows=[4, 7]),
        "no label in 1 of 2 rows, the first of them row 7 (-1, of 3 classes)",
        UNLABELLED,
    ),
    "a row without a list": (
        labels([[0], None], several=True),
        "no label in 1 of 2 rows, the first of them row 1",
        UNLABELLED,
    ),
    "-1 in a list": (
        labels([[0, 1], [2, -1]], FRUIT),
        "no label in 1 of 2 rows, the first of them row 1 ([2, -1], of 3 classes)",
        UNLABELLED,
    ),
    "None in a list": (labels([[0, None]]), "no label in 1 of 1 rows, the first of them row 0 ([0, None])", UNLABELLED),
    "empty lists alone": (labels([[], []]), "an empty list in all 2 rows", UNLABELLED),
    "texts and numbers": (labels(["a", "b", 3]), "3 in row 2 and texts before it", ONE_WAY),
    "numbers and texts": (labels([3, "a"]), "'a' in row 1 and numbers before it", ONE_WAY),
    "texts and numbers in lists": (labels([["a"], ["b", 3]]), "3 in row 1 and texts before it", ONE_WAY),
    "half a class": (
        labels([0.0, 0.5]),
        "0.5 in row 1 where the name or the whole number of a class should be",
        CHOOSE,
    ),
    "something else": (
        labels([{"a": 1}]),
        "{'a': 1} in row 0 where the name or the whole number of a class should be",
        CHOOSE,
    ),
    "a list where one label should be": (
        labels([[0, 1]], several=False),
        "[0, 1] in row 0 where one label should be",
        CHOOSE,
    ),
    "one label where a list should be": (
        labels([[0], 1]),
        "1 in row 1 where a list of labels should be",
        CHOOSE,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_label_is_refused_by_row(case: str) -> None:
    given, sentence, remedy = REFUSED[case]
    with pytest.raises(DatasetError) as refusal:
        checked(given)
    assert str(refusal.value) == f"column 'kind' holds {sentence}; {remedy}"


@pytest.mark.parametrize(
    "given",
    [
        labels([0, 2, 1], FRUIT),
        labels([-1, 1]),  # bare numbers may be any
        labels([0.0, 1.0]),
        labels([True, False]),
        labels(["a", "-1"]),
        labels([[0, 1], [2]], FRUIT),
        labels([["a"], ["b"]]),
    ],
)
def test_sound_labels_have_no_findings(given: Labels) -> None:
    assert checked(given) == ()


def test_of_several_labels_a_row_may_have_none_which_is_counted() -> None:
    found = checked(labels([[0], [], [1], []], rows=[3, 5, 6, 9]))
    assert found == (Finding("rows of split test have no label", 2, 4, "row 5"),)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (labels([1, 1, 1], FRUIT), "the single label 'banana' in each of 3 rows"),
        (labels(["a"]), "the single label 'a' in each of 1 rows"),
        (labels([7, 7]), "the single label 7 in each of 2 rows"),
        (labels([[1], [1]]), "the single label 1 in each of 2 rows"),
        (labels([[1], []]), "no other label than 1 in each of 2 rows"),
        (labels([[0, 1], [1, 0]]), "the same labels in each of 2 rows"),
    ],
)
def test_rows_that_are_all_labelled_alike_are_refused(given: Labels, said: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        refuse_single(given)
    assert (
        str(refusal.value)
        == f"column 'kind' holds {said}: no model could be wrong; {CHOOSE}, or download all of its rows"
    )


def test_two_labels_are_enough() -> None:
    for given in (labels([3, 1, 1]), labels([[3], [1]]), labels([[3], [3, 1]])):
        refuse_single(given)


OTHER_ORDER = ("banana", "apple", "cherry")
MOVED = "classes of split test have another number than in split train, and are matched by name"
STRANGE = "rows of split test have a label that split train does not have"
BARE = "classes are matched by number, for split {} does not name those of split {}"
NO_TRAIN_NAMES = Finding(BARE.format("train", "test"), 2, 2, "'banana'")
NO_TEST_NAMES = Finding(BARE.format("test", "train"), 2, 2, "0")
SWAPPED = Finding(MOVED, 2, 2, "'apple'")
MATCHED: dict[str, tuple[Labels, Labels, list[Any], list[Finding]]] = {
    "the same names": (labels([2, 0], FRUIT), labels([0, 1, 2], FRUIT), [2, 0], []),
    "texts": (labels(["b", "a"]), labels(["a", "b"]), ["b", "a"], []),
    "bare numbers": (labels([5, 3]), labels([3, 5]), [5, 3], []),
    "another order": (
        labels([0, 1, 2, 0], OTHER_ORDER),
        labels([0, 1, 2], FRUIT),
        [1, 0, 2, 1],
        [Finding(MOVED, 2, 3, "'banana'")],
    ),
    "fewer names": (
        labels([0, 1], ("banana", "cherry")),
        labels([0, 1, 2], FRUIT),
        [1, 2],
        [Finding(MOVED, 2, 2, "'banana'")],
    ),
    "more names, of which none is used": (labels([0, 1], (*FRUIT, "date")), labels([0, 1, 2], FRUIT), [0, 1], []),
    "names against texts": (labels([0, 2], OTHER_ORDER), labels(list(FRUIT)), ["banana", "cherry"], []),
    "texts against names": (labels(["cherry", "apple"]), labels([0, 1, 2], FRUIT), [2, 0], []),
    "numbers as floats": (labels([1.0, 0.0], OTHER_ORDER), labels([0, 1, 2], FRUIT), [0, 1], [SWAPPED]),
    "names against bare numbers": (
        labels([0, 2], OTHER_ORDER),
        labels([0, 1, 2]),
        [0, 2],
        [NO_TRAIN_NAMES],
    ),
    "bare numbers against names": (
        labels([0, 2]),
        labels([0, 1, 2], FRUIT),
        [0, 2],
        [NO_TEST_NAMES],
    ),
    "a class that is not learned": (
        labels([0, 3, 3, 1], ("apple", "cherry", "banana", "date")),
        labels([0, 1, 2], FRUIT),
        [0, 3, 3, 2],
        [Finding(MOVED, 1, 3, "'cherry'"), Finding(STRANGE, 2, 4, "'date'")],
    ),
    "a class without examples to learn from": (
        labels([0, 2], FRUIT),
        labels([0, 1], FRUIT),
        [0, 2],
        [Finding(STRANGE, 1, 2, "'cherry'")],
    ),
    "a text that is not learned": (
        labels(["apple", "date"]),
        labels([0, 1, 2], FRUIT),
        [0, 3],
        [Finding(STRANGE, 1, 2, "'date'")],
    ),
    "a number that is not learned": (labels([3, 7, 7]), labels([3, 4]), [3, 7, 7], [Finding(STRANGE, 2, 3, "7")]),
    "lists": (
        labels([[0, 2], [], [1]], OTHER_ORDER),
        labels([[0], [1, 2]], FRUIT),
        [[1, 2], [], [0]],
        [Finding(MOVED, 2, 3, "'banana'")],
    ),
    "lists of which a part is not learned": (
        labels([[0, 2], [2], [1]], FRUIT),
        labels([[0], [1]], FRUIT),
        [[0, 2], [2], [1]],
        [Finding(STRANGE, 2, 3, "'cherry'")],
    ),
}


@pytest.mark.parametrize("case", MATCHED)
def test_labels_are_brought_to_the_classes_that_are_learned(case: str) -> None:
    given, learned, values, findings = MATCHED[case]
    brought, found = matched(given, replace(learned, where="split train"))
    assert (list(brought.values), list(found)) == (values, findings)


@pytest.mark.parametrize("case", ["the same names", "texts", "bare numbers", "a number that is not learned"])
def test_labels_that_are_the_same_already_are_not_touched(case: str) -> None:
    given, learned, _, _ = MATCHED[case]
    assert matched(given, learned)[0] is given


@pytest.mark.parametrize(
    ("given", "learned", "here", "there"),
    [
        (labels(["0", "1"]), labels(["apple", "banana"]), "'0', '1'", "'apple', 'banana'"),
        (labels([0, 1], ("car", "van")), labels([0, 1, 2], FRUIT), "'car', 'van'", "'apple', 'banana', 'cherry'"),
        (labels(["a"]), labels([0, 1]), "'a'", "0, 1"),
        (labels([9]), labels([0, 1, 2, 3]), "9", "0, 1, 2, ..."),
        (labels([[9]]), labels([[0], [1, 2]]), "9", "0, 1, 2"),
    ],
)
def test_splits_that_share_no_label_are_refused(given: Labels, learned: Labels, here: str, there: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        matched(given, replace(learned, where="split train"))
    assert str(refusal.value) == (
        f"column 'kind' holds no label that split train has: {here} here, {there} there; "
        "write the labels of both splits in one way"
    )
