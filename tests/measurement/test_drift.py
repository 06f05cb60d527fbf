from __future__ import annotations

import pytest

from pytest_mieb.measurement import drift as module
from pytest_mieb.measurement.drift import FEW_DUPLICATES, MANY_DUPLICATES, MASKED, REENCODED, REPAIRED, drift
from pytest_mieb.measurement.published import PublishedScore, read, read_all
from pytest_mieb.suite import CATEGORIES
from pytest_mieb.suite.cards import load_tasks

TASKS = load_tasks()
OTHER = "0" * 40


@pytest.mark.parametrize(
    ("task", "mteb", "revision", "allowance"),
    [
        ("CIFAR10", "1.14.15", OTHER, 0.01),
        ("CIFAR10", "2.13.1", OTHER, 0.002),
        ("CIFAR10ZeroShot", "1.16.5", OTHER, 0.002),
        ("CIFAR10ZeroShot", "2.13.1", OTHER, 0.001),
        ("HatefulMemesI2TRetrieval", "1.14.15", OTHER, 0.045),
        ("HatefulMemesI2TRetrieval", "2.13.1", "", 0.001),
        ("MemotionT2IRetrieval", "2.13.1", OTHER, 0.003),
        ("WITT2IRetrieval", "1.14.15", "", 0.003),
        ("SugarCrepe", "1.14.15", OTHER, 0.005),
        ("VidoreTatdqaRetrieval", "1.16.5", OTHER, 0.015),
        ("VidoreArxivQARetrieval", "1.14.15", OTHER, 0.015),
    ],
)
def test_the_allowance_by_task_version_and_revision(task: str, mteb: str, revision: str, allowance: float) -> None:
    card = TASKS[task]
    found = drift(card, PublishedScore(0.5, mteb, revision or card.dataset.revision))
    assert found.allowance == allowance and found.comparable and found.reason


@pytest.mark.parametrize(
    ("task", "before", "since"),
    [("RParisHardI2IRetrieval", "1.16.5", "2.0.0"), ("VidoreTatdqaRetrieval", "1.14.15", "1.16.5")],
)
def test_a_task_that_became_another_is_not_comparable_until_measured_again(task: str, before: str, since: str) -> None:
    assert not drift(TASKS[task], PublishedScore(0.5, before, OTHER)).comparable
    assert drift(TASKS[task], PublishedScore(0.5, since, OTHER)).comparable


def test_every_named_task_and_category_exists() -> None:
    assert {*REPAIRED, *REENCODED, *MASKED, *MANY_DUPLICATES, *FEW_DUPLICATES} <= set(TASKS)
    documents = {name for name, task in TASKS.items() if task.category == "document_understanding"}
    assert documents == MANY_DUPLICATES | FEW_DUPLICATES
    assert set(module.SINCE_VERSION_1) == set(CATEGORIES) >= set(module.SINCE_VERSION_2)


def test_every_published_score_has_an_allowance() -> None:
    found = [drift(TASKS[name], score) for model in read_all() for name, score in model.tasks.items()]
    assert all(0 < each.allowance <= module.NOT_COMPARABLE for each in found)
    assert sum(not each.comparable for each in found) == 300


def test_the_evidence_in_the_stored_scores() -> None:
    hard = {
        version: [
            score.score
            for model in read_all()
            for name, score in model.tasks.items()
            if name == "RParisHardI2IRetrieval" and score.mteb.startswith(version)
        ]
        for version in ("1.", "2.")
    }
    assert min(hard["1."]) > 0.023 and max(hard["1."]) < 0.054
    assert len(hard["2."]) == 2 and max(hard["2."]) < 0.0015

    paper = {  # MIEB's Table 15, voyage-multimodal-3
        "VidoreArxivQARetrieval": 84.61,
        "VidoreDocVQARetrieval": 49.76,
        "VidoreInfoVQARetrieval": 86.11,
        "VidoreShiftProjectRetrieval": 77.48,
        "VidoreSyntheticDocQAAIRetrieval": 83.56,
        "VidoreSyntheticDocQAEnergyRetrieval": 79.42,
        "VidoreSyntheticDocQAGovernmentReportsRetrieval": 83.92,
        "VidoreSyntheticDocQAHealthcareIndustryRetrieval": 82.39,
        "VidoreTabfquadRetrieval": 56.36,
        "VidoreTatdqaRetrieval": 27.63,
    }
    now = read("voyageai/voyage-multimodal-3").scores
    change = {name: now[name] - points / 100 for name, points in paper.items()}
    few, many = ({change[name] for name in names} for names in (FEW_DUPLICATES, MANY_DUPLICATES))
    assert -0.015 < min(few) < -0.014 and 0.05 < max(few) < 0.053
    assert min(many) > 0.092 and 0.407 < max(many) < 0.408
