"""What must be the same for a comparison, and what is only to be known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_mieb.measurement.context import Context, differences, preprocessing_change, refusal

THERE = Context(
    fingerprint="abc",
    preprocessing={"size": (224, 224), "mean": (0.5, 0.5, 0.5), "interpolation": "bicubic", "padding": None},
    protocol=3,
    device="NVIDIA H100",
    dtype="float16",
    batch_size=64,
    canary=(),
    versions={"torch": "2.6", "numpy": "2.1"},
)


def test_a_context_comes_back_from_json_under_the_same_name() -> None:
    moved = replace(THERE, canary=("pixels", "tokens"), store_dtype="float16")
    back = Context.from_json(json.loads(json.dumps(moved.to_json())))
    assert back.name == moved.name
    assert back.canary == ("pixels", "tokens")
    assert "store_dtype" not in THERE.to_json()  # what was recorded before there was a choice keeps its name
    assert preprocessing_change(moved, back) is None  # a tuple is a list in a file
    assert Context.from_json(json.loads(json.dumps(Context().to_json()))) == Context()


def test_a_name_is_short_and_another_for_every_change() -> None:
    changed: list[dict[str, Any]] = [
        {"fingerprint": "abd"},
        {"preprocessing": {}},
        {"protocol": 4},
        {"device": "cpu"},
        {"dtype": "float32"},
        {"batch_size": 32},
        {"canary": ("pixels",)},
        {"versions": {"torch": "2.7", "numpy": "2.1"}},
    ]
    names = {THERE.name, *(replace(THERE, **change).name for change in changed)}
    assert len(names) == 1 + len(changed)
    assert {len(name) for name in names} == {8}
    reordered = replace(THERE, versions={"numpy": "2.1", "torch": "2.6"})
    assert reordered.name == THERE.name


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "cpu",
        {"colour": "blue"},
        {"versions": ["torch"]},
        {"protocol": "1"},
        {"batch_size": "64"},
        {"preprocessing": None},
        {"canary": "pixels"},
        {"device": 0},
    ],
    ids=str,
)
def test_what_is_no_context_is_a_type_error(content: Any) -> None:
    with pytest.raises(TypeError):
        Context.from_json(content)


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ({}, {}, None),
        ({}, {"device": "cpu", "dtype": "", "batch_size": 1, "versions": {}, "preprocessing": {}}, None),
        ({"canary": ("pixels",)}, {"canary": ("pixels",)}, None),
        ({"protocol": 2}, {}, ("by version 2 of the protocols, this run by version 3", "--mieb-update")),
        (
            {},
            {"canary": ("pixels", "tokens")},
            (
                "the environment moved, not the model: the canary differed at no station when",
                "differs at pixels, tokens now",
                "record it anew",
            ),
        ),
        ({"canary": ("pixels",)}, {}, ("the canary differed at pixels", "differs at no station now")),
        # Another protocol counts whatever the environment.
        ({"protocol": 2}, {"canary": ("pixels",)}, ("by version 2 of the protocols",)),
    ],
)
def test_what_is_refused(old: dict[str, Any], new: dict[str, Any], sentences: tuple[str, ...] | None) -> None:
    said = refusal(replace(THERE, **old), replace(THERE, **new))
    if sentences is None:
        assert said is None
    else:
        assert said and all(sentence in said for sentence in sentences)


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({}, []),
        ({"fingerprint": "xyz", "preprocessing": {}}, []),  # another model is what is being compared
        ({"device": "cpu"}, ["the device is cpu, the baseline's was NVIDIA H100"]),
        ({"dtype": "float32"}, ["the dtype is float32, the baseline's was float16"]),
        ({"batch_size": 32}, ["the batch size is 32, the baseline's was 64"]),
        ({"store_dtype": "float16"}, ["the embeddings are stored in float16, the baseline's in float32"]),
        ({"device": "", "dtype": "", "batch_size": 0}, []),  # not known
        (
            {"versions": {"torch": "2.7", "numpy": "2.2", "timm": "1"}},
            ["versions differ from the baseline's: torch 2.7 (was 2.6), numpy 2.2 (was 2.1)"],
        ),
        ({"versions": {"torch": "2.6"}}, []),
        (
            {"device": "cpu", "versions": {"torch": "2.7"}},
            [
                "the device is cpu, the baseline's was NVIDIA H100",
                "versions differ from the baseline's: torch 2.7 (was 2.6)",
            ],
        ),
    ],
)
def test_what_is_compared_with_a_warning(change: dict[str, Any], sentences: list[str]) -> None:
    assert list(differences(THERE, replace(THERE, **change))) == sentences


def test_a_canary_that_had_moved_already_is_a_warning() -> None:
    moved = replace(THERE, canary=("pixels",))
    assert list(differences(moved, moved)) == [
        "the canary differs from the package's at pixels, as when the baseline was recorded"
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, None),
        ({"size": [224, 224]}, None),
        ({"interpolation": "bilinear"}, "interpolation bicubic -> bilinear"),
        ({"mean": (0.48, 0.45, 0.4), "size": (336, 336)}, "size 224/224 -> 336/336, mean 0.5/0.5/0.5 -> 0.48/0.45/0.4"),
        ({"padding": "max_length"}, "padding none -> max_length"),
        ({"rescale": 255}, "rescale none -> 255"),
        ({"interpolation": None}, "interpolation bicubic -> none"),
    ],
)
def test_a_change_of_preprocessing_names_what_was_and_what_is(change: dict[str, Any], sentence: str | None) -> None:
    said = preprocessing_change(THERE, replace(THERE, preprocessing={**THERE.preprocessing, **change}))
    assert said == (sentence and f"preprocessing differs from the baseline's: {sentence}")


def test_a_preprocessing_that_is_not_known_did_not_change() -> None:
    unknown = replace(THERE, preprocessing={})
    assert preprocessing_change(THERE, unknown) is None
    assert preprocessing_change(unknown, THERE) is None


def test_what_older_baselines_do_not_say_is_no_change_until_it_is_known_on_both_sides() -> None:
    kept, lower = (
        replace(THERE, preprocessing={**THERE.preprocessing, "text case": case}) for case in ("kept", "lower")
    )
    assert preprocessing_change(THERE, lower) is None
    assert preprocessing_change(kept, lower) == "preprocessing differs from the baseline's: text case kept -> lower"
