"""Data that does not fit together: what cannot be matched is an error of its task, what partly cannot is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mieb.plugin import INCOMPLETE
from tests.data.mirrors import Numbered, Tables, pictures, write
from tests.plugin.running import Toys, assert_no_traceback, summary
from tests.plugin.toy import write_cards

Ran = tuple[Toys, pytest.RunResult]
COLOURS = ("red", "green", "blue", "white")
CARD = {"modalities": "t2i", "category": "retrieval", "protocol": "retrieval", "metric": "hit_rate_at_1"}
CARDS = {
    **{
        f"ToyBeir{name}": {**CARD, "dataset": f"{{path: toy/{name}, layout: beir"} for name in ("sound", "part", "none")
    },
    "ToyOrder": {
        "category": "linear_probing",
        "modalities": "i2c",
        "protocol": "linear_probe",
        "metric": "accuracy",
        "dataset": "{path: toy/order, layout: labelled, split: test, image: image, label: label, train_split: train",
        "scoring": "{n_experiments: 2, samples_per_label: 4}",
    },
}
GONE = "ToyBeirpart: 1 of 4 judged documents are not in the corpus (the first: 'white')"
UNANSWERED = "ToyBeirpart: 1 of 4 queries have no relevant document in the corpus (the first: 'q3')"
MOVED = (
    "ToyOrder: 2 of 3 classes of split test have another number than in split train, and are matched by name "
    "(the first: 'green')"
)


@pytest.fixture(scope="module")
def unfit(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """The toys with other data: a corpus that is whole, in part, and of other ids; and splits of different orders."""
    root = tmp_path_factory.mktemp("unfit")
    for name, ids in (
        ("sound", COLOURS),
        ("part", COLOURS[:3]),
        ("none", tuple(f"{colour}.png" for colour in COLOURS)),
    ):
        queries = {"id": [f"q{row}" for row in range(4)], "text": [f"a picture in {colour}" for colour in COLOURS]}
        tables: Tables = {
            "corpus": {"test": {"id": ids, "image": pictures(*COLOURS[: len(ids)])}},
            "queries": {"test": queries},
            "qrels": {"test": {"query-id": queries["id"], "corpus-id": COLOURS, "score": [1] * 4}},
        }
        write(root / "data" / "toy" / name, tables)
    rows = {
        split: {"image": pictures(*names * 2), "label": Numbered([0, 1, 2] * 2, *names)}
        for split, names in (("train", COLOURS[:3]), ("test", ("green", "red", "blue")))
    }
    write(root / "data" / "toy" / "order", {"": rows})
    return Toys(root / "data", write_cards(root / "cards", CARDS), toys.broken_cards, root / "cache", root / "nowhere")


@pytest.mark.parametrize(
    ("workers", "ini"), [((), "filterwarnings = error"), (("-n", "2"), "")], ids=["errors", "with workers"]
)
def test_a_part_that_does_not_fit_is_told_once_and_scored(
    unfit: Toys, tmp_path: Path, workers: tuple[str, ...], ini: str
) -> None:
    here = unfit.at(tmp_path, ini)
    result = here.run("sound", "--mieb-baseline=none", *workers)
    result.assert_outcomes(passed=3, errors=1, warnings=3, deselected=0 if workers else 130)
    assert result.ret == INCOMPLETE
    for sentence in (GONE, UNANSWERED, MOVED):
        assert len([line for line in result.outlines if line.endswith(f"MiebWarning: {sentence}")]) == 1
    sentence = (
        "dataset toy/none (revision main), config qrels, split test: none of the judged documents is in the corpus, "
        "which begins with 'red.png' (the first: 'red'); check the card against the dataset, or download it again"
    )
    assert sentence in result.outlines
    assert "part of the data does not fit, see the warnings or the result files (2): ToyBeirpart, ToyOrder" in summary(
        result
    )
    assert_no_traceback(summary(result))
    contents = here.results().contents
    assert {name: content["score"] for name, content in contents.items()} == {
        "ToyBeirsound": 1.0,
        "ToyBeirpart": 0.75,
        "ToyOrder": 1.0,
    }
    assert contents["ToyBeirsound"]["findings"] == {}
    assert contents["ToyBeirpart"]["findings"] == {
        "default": [
            {"what": "judged documents are not in the corpus", "count": 1, "of": 4, "example": "'white'"},
            {"what": "queries have no relevant document in the corpus", "count": 1, "of": 4, "example": "'q3'"},
        ]
    }


def test_what_is_told_may_be_ignored(unfit: Toys, tmp_path: Path) -> None:
    here = unfit.at(tmp_path, "filterwarnings =\n  ignore:ToyBeirpart")
    result = here.run("sound", "--mieb-baseline=none", "-k", "ToyBeirpart")
    result.assert_outcomes(passed=1, deselected=133)
    result.stdout.no_fnmatch_line("*MiebWarning*")
