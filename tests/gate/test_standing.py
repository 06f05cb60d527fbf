from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_mieb.gate.standing import Rank, Standing, borda, standing, standing_lines
from pytest_mieb.measurement.published import PublishedModel, PublishedScore, read
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.means import GROUPS, group_of

TASKS = load_tasks()
ONE_A_GROUP = [next(task for task in TASKS.values() if group_of(task) == group) for group in GROUPS]
CLUSTERING = [task for task in TASKS.values() if task.category == "clustering"]
A, B, C = (task.name for task in CLUSTERING[:3])
CLIP = "openai/clip-vit-large-patch14"


def model(name: str, scores: Mapping[str, float]) -> PublishedModel:
    return PublishedModel(name, "r", {task: PublishedScore(score, "2.0.0", "x") for task, score in scores.items()})


def test_borda_by_hand() -> None:
    """On the first task 2 > 1 > 0; on the second all tie; on the third 0 > 1 = 2."""
    rows = [[0.1, 0.5, 0.9], [0.2, 0.5, 0.3], [0.3, 0.5, 0.3]]
    assert borda(rows) == [0 + 1 + 2, 1 + 1 + 0.5, 2 + 1 + 0.5]
    assert borda([[0.4]]) == [0] and borda([]) == []


def test_borda_may_rank_otherwise_than_the_mean() -> None:
    rivals = [model("o/one", {A: 0.9, B: 0.2, C: 0.2}), model("o/two", {A: 0.1, B: 0.1, C: 0.1})]
    found = standing({A: 0.2, B: 0.3, C: 0.3}, CLUSTERING, rivals)
    assert found == Standing({"Borda": Rank(1, 2), "clustering": Rank(2, 2)}, scored=3, tasks=5)


def test_only_models_with_all_tasks_that_count_are_compared() -> None:
    rivals = [model("o/half", {A: 0.9}), model("o/all", {A: 0.1, B: 0.1, "STL10": 0.5})]
    tasks = [*CLUSTERING[:2], TASKS["STL10"]]
    assert standing({A: 0.5}, tasks, rivals).ranks["clustering"] == Rank(2, 2)
    assert standing({A: 0.5, B: 0.5}, tasks, rivals).ranks["clustering"] == Rank(1, 1)
    assert standing({A: 0.5, "STL10": 0.1}, tasks, rivals).ranks == {
        "Borda": Rank(1, 1),
        "clustering": Rank(2, 2),
        "linear_probing": Rank(2, 1),
    }


def test_equals_share_the_best_place_and_a_model_is_not_its_own_rival() -> None:
    rivals = [model("o/x", {A: 0.5}), model("o/y", {A: 0.6}), model("o/z", {A: 0.5})]
    assert standing({A: 0.5}, CLUSTERING, rivals).ranks["clustering"] == Rank(2, 3)
    assert standing({A: 0.5}, CLUSTERING, rivals, leave_out="o/y").ranks["clustering"] == Rank(1, 2)


def test_overall_means_only_of_all_their_groups_and_tasks() -> None:
    scores = {task.name: 0.5 for task in ONE_A_GROUP}
    english = {task.name: 0.5 for task in ONE_A_GROUP[:8]}
    rivals = [model("o/x", {**scores, ONE_A_GROUP[9].name: 0.9}), model("o/en", {**english, A: 0.1})]
    both = standing(scores, ONE_A_GROUP, rivals).ranks
    assert both["Mean (m)"] == Rank(2, 1) and both["Mean (en)"] == Rank(1, 2)
    missing = standing(english, ONE_A_GROUP, rivals).ranks
    assert "Mean (m)" not in missing and missing["Mean (en)"] == Rank(1, 2)
    fewer = dict(list(english.items())[:7])
    assert not {"Mean (m)", "Mean (en)"} & set(standing(fewer, ONE_A_GROUP, rivals).ranks)
    assert not {"Mean (m)", "Mean (en)"} & set(standing(english, ONE_A_GROUP[:7], rivals).ranks)


def test_a_published_model_among_the_others() -> None:
    clip = read(CLIP)
    full = standing(clip.scores, TASKS.values(), leave_out=CLIP)
    assert full.ranks["Mean (m)"] == Rank(22, 39) and full.ranks["clustering"].models == 47
    lite = standing(clip.scores, [task for task in TASKS.values() if "lite" in task.suites], leave_out=CLIP)
    assert lite.ranks["Mean (m)"].models == 48 and (lite.scored, lite.tasks) == (51, 51)


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (Standing({}, 0, 5), []),
        (
            Standing({"Borda": Rank(8, 48), "clustering": Rank(9, 48)}, 1, 130),
            [
                "rank among 48 published models over 1 of 130 tasks (indicative): Borda 8",
                "  by category: clustering 9",
            ],
        ),
        (
            Standing({"Mean (m)": Rank(12, 38), "Borda": Rank(14, 38), "clustering": Rank(20, 46)}, 130, 130),
            [
                "rank among 38 published models (indicative): Mean (m) 12, Borda 14",
                "  by category: clustering 20 among 46",
            ],
        ),
        (
            Standing({"clustering": Rank(2, 3)}, 1, 1),
            ["rank among 3 published models (indicative): clustering 2"],
        ),
    ],
)
def test_lines(given: Standing, lines: list[str]) -> None:
    assert standing_lines(given) == lines


def test_nothing_scored_is_no_rank() -> None:
    assert standing({}, CLUSTERING, [model("o/x", {A: 0.5})]).ranks == {}
    assert standing({A: 0.5}, CLUSTERING, []).ranks == {}
