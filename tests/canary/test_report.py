"""What the report says, without a model."""

from __future__ import annotations

import json
import math

import pytest

from pytest_mieb.canary import CanaryReport, Deviation, Station

GOLDEN = {"pillow": "13.0.0", "torch": "2.15.0"}


def station(name: str, found: float = 0.0) -> Station:
    return Station(name, (Deviation("probe", found, 2.0, "levels of 255"), Deviation("other", 0.0, 0.0, "levels")))


@pytest.mark.parametrize(
    ("found", "allowed", "moved"),
    [(2.0, 2.0, False), (2.01, 2.0, True), (0.0, 0.0, False), (1.0, 0.0, True), (math.nan, 2.0, True)],
)
def test_beyond_what_is_allowed_moved(found: float, allowed: float, moved: bool) -> None:
    assert Deviation("", found, allowed, "").moved is moved


@pytest.mark.parametrize(
    ("deviations", "worst"),
    [
        ([(2.0, 4.0), (1.0, 1.5)], 1),
        ([(9.0, 1.0), (1.0, 0.0)], 1),
        ([(9.0, 1.0), (math.nan, 1.0)], 1),
        ([(0.0, 0.0), (0.0, 1.0)], 0),
    ],
)
def test_the_worst_is_the_largest_in_proportion(deviations: list[tuple[float, float]], worst: int) -> None:
    found = tuple(Deviation(str(place), *pair, "") for place, pair in enumerate(deviations))
    assert Station("", found).worst is found[worst]


def test_nothing_moved_nothing_to_say() -> None:
    report = CanaryReport((station("decode"), station("preprocess", 2.0)), GOLDEN, {"pillow": "14.0.0"})
    assert report.moved == ()
    assert report.sentence is None


def test_the_sentence_names_the_first_station_the_changed_versions_and_the_remedy() -> None:
    report = CanaryReport(
        (station("decode"), station("preprocess", 41.0), station("tokenise", 3.0)),
        GOLDEN,
        {"pillow": "14.0.0", "torch": "2.15.0"},
    )
    assert report.moved == ("preprocess", "tokenise")
    assert report.sentence == (
        "the environment moved, not the model: first the canary's preprocess (probe: 41 levels of 255, where 2 is "
        "allowed), and after it tokenise; the golden values are from pillow 13.0.0, this is pillow 14.0.0: go back to "
        "the former, or record the baseline anew in this environment with --mieb-update"
    )


def test_where_no_version_changed_the_sentence_points_at_settings_and_installation() -> None:
    sentence = CanaryReport((station("text embedding", 3.0),), GOLDEN, GOLDEN).sentence
    assert sentence
    assert "from the same pillow 13.0.0, torch 2.15.0" in sentence
    assert "damaged installation" in sentence


def test_json_holds_plain_values_even_of_nan() -> None:
    report = CanaryReport((station("decode"), station("text embedding", math.nan)), GOLDEN, GOLDEN)
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["moved"] == ["text embedding"]
    assert content["stations"][1] == {
        "name": "text embedding",
        "moved": True,
        "what": "probe",
        "deviation": None,
        "allowed": 2.0,
        "unit": "levels of 255",
    }
