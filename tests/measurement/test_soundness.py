"""Scores that cannot be true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_mieb.gate.statistics.influence import Examples, contributions
from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.soundness import ROUNDING, contradiction, impossible
from pytest_mieb.protocols import estimator_of, known
from tests.gate.builders import hits, zero_shot

STS: dict[str, Any] = {"protocol": "sts", "category": "visual_sts", "metric": "cosine_spearman"}
CLUSTERING: dict[str, Any] = {"protocol": "clustering", "category": "clustering", "metric": "nmi"}
LANGUAGES: dict[str, Any] = {"subsets": {"en": (), "no": ()}}


@pytest.mark.parametrize(
    ("metric", "score", "sentence"),
    [
        ("accuracy", 0.0, None),
        ("accuracy", 1.0000000002, None),  # as floating-point numbers add up
        ("accuracy", -0.01, "score: -0.01 is no accuracy, which lies between 0 and 1"),
        ("accuracy", 1.01, "score: 1.01 is no accuracy"),
        ("accuracy", float("nan"), "score: nan is no accuracy"),
        ("ndcg_at_10", -0.2, "score: -0.2 is no ndcg_at_10"),
        ("hit_rate_at_1", -0.2, "score: -0.2 is no hit_rate_at_1"),
        ("lrap", -0.2, "score: -0.2 is no lrap"),
        ("nmi", -0.2, "score: -0.2 is no nmi"),
        ("cosine_spearman", -1.0, None),
        ("cosine_pearson", -0.9, None),
        ("cosine_spearman", -1.1, "score: -1.1 is no cosine_spearman, which lies between -1 and 1"),
        ("ari", -0.5, None),
        ("ari", -0.51, "score: -0.51 is no ari, which lies between -0.5 and 1"),
    ],
)
def test_a_score_is_what_its_metric_can_be(metric: str, score: float, sentence: str | None) -> None:
    found = impossible(zero_shot(metric=metric), Measurement(score))
    assert (found and found[: len(sentence or "")]) == sentence


def test_every_metric_that_may_be_negative_is_known() -> None:
    """All others are shares, means of shares, or normalised information."""
    metrics = {metric for protocol in known().values() for metric in protocol.metrics}
    allowed = {metric for metric in metrics if impossible(zero_shot(metric=metric), Measurement(-0.1)) is None}
    assert allowed == {"cosine_spearman", "cosine_pearson", "ari"}


def test_a_subset_is_what_its_metric_can_be() -> None:
    measured = Measurement(0.4, subsets={"en": Estimate(0.9), "no": Estimate(-0.1)})
    assert impossible(zero_shot(**LANGUAGES), measured) == (
        "subsets.no.score: -0.1 is no accuracy, which lies between 0 and 1"
    )


@pytest.mark.parametrize(
    ("score", "marks", "sound"),
    [
        (0.5, {"en": 0.4, "no": 0.6}, True),
        (0.5 + ROUNDING / 2, {"en": 0.4, "no": 0.6}, True),
        (0.5 + 2 * ROUNDING, {"en": 0.4, "no": 0.6}, False),
        (0.5, {"en": 0.4, "no": 0.06}, False),
        (0.5, {"en": 0.4}, True),  # of one language alone nothing follows
        (0.5, {}, True),
    ],
)
def test_a_score_is_the_mean_of_its_subsets(score: float, marks: dict[str, float], sound: bool) -> None:
    measured = Measurement(score, subsets={name: Estimate(each) for name, each in marks.items()})
    found = impossible(zero_shot(**LANGUAGES), measured)
    assert (found is None) is sound
    assert found is None or found.startswith(f"score: {score} is not the mean of its subsets, ")


CHANCE = np.random.default_rng(0)
VALUES, TRUTH = CHANCE.random(300), CHANCE.random(300)
CLUSTERS, LABELS = CHANCE.integers(0, 9, 300), CHANCE.integers(0, 7, 300)
CASES = {
    "hits": (zero_shot(), hits(70)),
    "a correlation": (zero_shot(**STS), Examples((VALUES + TRUTH).astype(np.float32), TRUTH)),
    "clusters": (zero_shot(**CLUSTERING), Examples(CLUSTERS, LABELS)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("moved", [0.0, ROUNDING / 2, 1.5 * ROUNDING, -0.5])
def test_a_score_is_what_its_outcomes_make_up(case: str, moved: float) -> None:
    task, examples = CASES[case]
    score = float(contributions(estimator_of(task) or "", examples).mean())
    found = contradiction(task, Measurement(score + moved), {"default": examples})
    if abs(moved) <= ROUNDING:
        assert found is None
    else:
        assert found == f"Some: scored {100 * (score + moved):.2f}, while its outcomes make up {100 * score:.2f}"


def test_a_subset_is_what_its_own_outcomes_make_up() -> None:
    examples = {"en": hits(80), "no": hits(60)}
    swapped = Measurement(0.7, subsets={"en": Estimate(0.6), "no": Estimate(0.8)})
    assert contradiction(zero_shot(**LANGUAGES), swapped, examples) == (
        "Some [en]: scored 60.00, while its outcomes make up 80.00"
    )
    sound = Measurement(0.7, subsets={"en": Estimate(0.8), "no": Estimate(0.6)})
    assert contradiction(zero_shot(**LANGUAGES), sound, examples) is None
    assert contradiction(zero_shot(**LANGUAGES), Measurement(0.6, subsets=sound.subsets), examples) == (
        "Some: scored 60.00, while its outcomes make up 70.00"
    )


def test_outcomes_that_make_up_no_score_contradict_every_score() -> None:
    empty = {"default": Examples(np.zeros(0, dtype=np.float32))}
    assert contradiction(zero_shot(), Measurement(0.5), empty) == (
        "Some: the outcomes make up no score (no examples, so no score)"
    )


def test_a_metric_that_outcomes_do_not_make_up_is_not_looked_at() -> None:
    assert contradiction(zero_shot(metric="f1"), Measurement(0.1), {"default": hits(90)}) is None
