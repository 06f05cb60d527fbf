"""What is wrong with a dataset is said in one sentence that names dataset, revision and column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mieb.data import DatasetError, Images, Inputs, load_rows
from pytest_mieb.suite import Task
from tests.builders import a_task
from tests.data.mirrors import Columns, Numbered, Tables, mirror, pictures, plain

REMEDY = "; check the card against the dataset, or download it again"

KINDS = {"split": "test", "image": "image", "label": "kind"}
LABELLED = a_task("labelled", KINDS)
PROBED = a_task("labelled", {**KINDS, "train_split": "train"}, protocol="linear_probe")
TAGGED = a_task("labelled", {**KINDS, "train_split": "train"}, protocol="multilabel_linear_probe")
STS = a_task("sts", {"split": "test", "images": ("image", "other"), "score": "score"})
PAIRS = a_task("pairs", {"split": "test", "images": ("image",), "texts": ("right", "wrong")})
BEIR = a_task("beir", modalities="t2i")
CHOICES = a_task("beir_candidates_from_qrels", modalities="t2i")
VIDORE = a_task("vidore", modalities="t2i")
CV_BENCH = a_task("cv_bench", {"split": "test", "task": "Count"}, modalities="it2t")
HATEFUL = a_task("hateful_memes", {"split": "test"}, modalities="i2t")
MEMOTION = a_task("memotion", {"split": "test"}, modalities="i2t")
SCIMMIR = a_task("scimmir", {"split": "test"}, modalities="i2t")
CAPTIONS = a_task("captioned_images_per_language", modalities="t2i", subsets={"en": ("eng-Latn",)})
SENTENCES = a_task("sentence_per_image_per_language", modalities="t2i", subsets={"en": ("eng-Latn",)})
IMAGECODE = a_task("imagecode", {"split": "test"})

RED = pictures("red")


COLOURS = a_task("labelled", KINDS, protocol="zero_shot", scoring={"template": "a {label}", "labels": "class names"})
SHADES = a_task(
    "labelled",
    KINDS,
    protocol="zero_shot",
    scoring={"template": "a {label}", "labels": ("Blue", "red")},
    file=Path("Some.yaml"),
)
UNLABELLED = "; label these rows, or leave them out of the split"
CHOOSE = "; choose another column or split in the card"
MORE = f"{CHOOSE}, or download all of its rows"


def kinds(test: Any, train: Any) -> Tables:
    """A probe's two splits, with as many pictures as there are labels."""
    return {
        "": {
            split: {"image": pictures(*["red"] * len(labels)), "kind": labels}
            for split, labels in (("test", test), ("train", train))
        }
    }


def one(**columns: Any) -> Tables:
    return {"": {"test": columns}}


def beir(**changes: Columns) -> Tables:
    sound: dict[str, Columns] = {
        "queries": {"id": ["q"], "text": ["one"]},
        "corpus": {"id": ["d", "e"], "image": pictures("red", "green")},
        "qrels": {"query-id": ["q", "q"], "corpus-id": ["d", "e"], "score": [1, 0]},
    }
    return {config: {"test": columns} for config, columns in (sound | changes).items()}


def vidore(**changes: Columns) -> Tables:
    sound: dict[str, Columns] = {
        "queries": {"query-id": [1], "query": ["one"]},
        "corpus": {"corpus-id": [7], "image": RED},
        "qrels": {"query-id": [1], "corpus-id": [7], "score": [1]},
    }
    return {config: {"test": columns} for config, columns in (sound | changes).items()}


def imagecode(**changes: Columns) -> Tables:
    sound: dict[str, Columns] = {
        "corpus": {"id": ["a", "b"], "image": pictures("red", "green")},
        "query": {"id": ["q"], "text": ["one"]},
        "qrels": {"query-id": ["q", "q"], "corpus-id": ["a", "b"], "score": [0, 1]},
    }
    return {config: {"corpus" if config == "corpus" else "test": rows} for config, rows in (sound | changes).items()}


def cv_bench(**changes: Any) -> Tables:
    sound = {"task": ["Count"], "image": RED, "question": ["?"], "choices": [["1", "2"]], "answer": ["(A)"]}
    return one(**sound | changes)


TEST, CORPUS, QRELS = "split test", "config corpus, split test", "config qrels, split test"
REFUSED: dict[str, tuple[Task, Tables, str, str]] = {
    "labelled: no image column": (
        LABELLED,
        one(kind=[1]),
        TEST,
        "no column 'image', only kind",
    ),
    "labelled: no label column": (LABELLED, one(image=RED), TEST, "no column 'kind', only image"),
    "labelled: no image in a row": (
        LABELLED,
        one(image=pictures("red", None), kind=[1, 2]),
        TEST,
        "column 'image' holds no image in row 1",
    ),
    "labelled: an image of neither bytes nor path": (
        LABELLED,
        one(image=[*RED, {"bytes": None, "path": None}], kind=[1, 2]),
        TEST,
        "column 'image' holds no image in row 1",
    ),
    "labelled: no label in a row": (
        LABELLED,
        one(image=pictures("red", "green"), kind=["cat", None]),
        TEST,
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1{UNLABELLED}",
    ),
    "labelled: no label in a row of the training split": (
        PROBED,
        kinds([1, 2], [1, None]),
        "split train",
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1{UNLABELLED}",
    ),
    "labelled: no label in any row of a ClassLabel": (
        LABELLED,
        one(image=pictures("red", "green"), kind=Numbered([-1, -1], "cat", "dog")),
        TEST,
        f"column 'kind' holds no label in 2 of 2 rows, the first of them row 0 (-1, of 2 classes){UNLABELLED}",
    ),
    "labelled: no label in a row of a ClassLabel": (
        COLOURS,
        one(image=pictures("red", "green"), kind=Numbered([1, -1], "cat", "dog")),
        TEST,
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1 (-1, of 2 classes){UNLABELLED}",
    ),
    "labelled: no list of labels in a row": (
        TAGGED,
        kinds([[1], None], [[1], [2]]),
        TEST,
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1{UNLABELLED}",
    ),
    "labelled: no label in a list of labels": (
        TAGGED,
        kinds([[1], [2]], Numbered([[0], [0, -1]], "cat", "dog")),
        "split train",
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1 ([0, -1], of 2 classes){UNLABELLED}",
    ),
    "labelled: no number": (
        LABELLED,
        one(image=pictures("red", "green"), kind=[1.0, float("nan")]),
        TEST,
        f"column 'kind' holds no label in 1 of 2 rows, the first of them row 1{UNLABELLED}",
    ),
    "labelled: half a class": (
        LABELLED,
        one(image=pictures("red", "green"), kind=[1.0, 0.5]),
        TEST,
        f"column 'kind' holds 0.5 in row 1 where the name or the whole number of a class should be{CHOOSE}",
    ),
    "labelled: a list of labels": (
        LABELLED,
        one(image=RED, kind=[[1]]),
        TEST,
        f"column 'kind' holds [1] in row 0 where one label should be{CHOOSE}",
    ),
    "labelled: a single label": (
        LABELLED,
        one(image=pictures("red", "green"), kind=Numbered([1, 1], "cat", "dog")),
        TEST,
        f"column 'kind' holds the single label 'dog' in each of 2 rows: no model could be wrong{MORE}",
    ),
    "labelled: a single label to learn": (
        PROBED,
        kinds([1, 2], [1, 1]),
        "split train",
        f"column 'kind' holds the single label 1 in each of 2 rows: no model could be wrong{MORE}",
    ),
    "labelled: a single label to tell": (
        PROBED,
        kinds([1, 1], [1, 2]),
        TEST,
        f"column 'kind' holds the single label 1 in each of 2 rows: no model could be wrong{MORE}",
    ),
    "labelled: other labels to learn": (
        PROBED,
        kinds(Numbered([0, 1], "car", "van"), Numbered([0, 1], "cat", "dog")),
        TEST,
        "column 'kind' holds no label that split train has: 'car', 'van' here, 'cat', 'dog' there; "
        "write the labels of both splits in one way",
    ),
    "labelled: names in other words": (
        PROBED,
        kinds(["Cat", "Dog"], ["cat", "dog"]),
        TEST,
        "column 'kind' holds no label that split train has: 'Cat', 'Dog' here, 'cat', 'dog' there; "
        "write the labels of both splits in one way",
    ),
    "labelled: no class names for prompts": (
        COLOURS,
        one(image=RED, kind=[1]),
        TEST,
        "column 'kind' has no class names; list them under `labels` in the card",
    ),
    "labelled: a number beyond the prompts": (
        SHADES,
        one(image=pictures("red", "green", "blue"), kind=[1, 2, 2]),
        TEST,
        "column 'kind' holds none of the 2 classes in 2 of 3 rows, the first of them row 1 (2); "
        "check `labels` in the card",
    ),
    "labelled: a text beyond the prompts": (
        SHADES,
        one(image=pictures("red", "green"), kind=["red", "blue"]),
        TEST,
        "column 'kind' holds none of the 2 classes in 1 of 2 rows, the first of them row 1 ('blue'); "
        "check `labels` in the card",
    ),
    "labelled: prompts in another order": (
        SHADES,
        one(image=RED, kind=Numbered([1], "red", "blue")),
        TEST,
        "column 'kind' has its classes in another order than the card: 'Blue' is class 1 of the column and class 0 of "
        "the card; list the classes of the dataset in its order under `labels` in Some.yaml, or take 'class names'",
    ),
    "labelled: prompts of another number": (
        SHADES,
        one(image=RED, kind=Numbered([1], "blue", "red", "green")),
        TEST,
        "column 'kind' has 3 classes where the card lists 2; "
        "list the classes of the dataset in its order under `labels` in Some.yaml, or take 'class names'",
    ),
    "sts: no second image": (STS, one(image=RED, score=[1]), TEST, "no column 'other', only image, score"),
    "sts: a score that is a text": (
        STS,
        one(image=RED, other=RED, score=["much"]),
        TEST,
        "column 'score' holds something that is not a number",
    ),
    "sts: no score in a row": (
        STS,
        one(image=pictures("red", "red"), other=pictures("red", "red"), score=[1.0, None]),
        TEST,
        "column 'score' holds no number in row 1",
    ),
    "pairs: no second text": (PAIRS, one(image=RED, right=["a"]), TEST, "no column 'wrong', only image, right"),
    "pairs: a text that is none": (
        PAIRS,
        one(image=RED, right=["a"], wrong=[3]),
        TEST,
        "column 'wrong' holds 3 in row 0 where a text should be",
    ),
    "beir: no image in the corpus": (
        BEIR,
        beir(corpus={"id": ["d"], "image": pictures(None)}),
        CORPUS,
        "column 'image' holds no image in row 0",
    ),
    "beir: no text in a query": (
        BEIR,
        beir(queries={"id": ["q"], "text": [None]}),
        "config queries, split test",
        "column 'text' holds None in row 0 where a text should be",
    ),
    "beir: no ids": (BEIR, beir(corpus={"image": RED}), CORPUS, "no column 'id', only image"),
    "beir: half a grade": (
        BEIR,
        beir(qrels={"query-id": ["q"], "corpus-id": ["d"], "score": [0.5]}),
        QRELS,
        "column 'score' holds something that is not an integer",
    ),
    "beir: no grade": (
        BEIR,
        beir(qrels={"query-id": ["q"], "corpus-id": ["d"], "score": [None]}),
        QRELS,
        "column 'score' holds something that is not an integer",
    ),
    "beir: a grade that is no number": (
        BEIR,
        beir(qrels={"query-id": ["q"], "corpus-id": ["d"], "score": [float("nan")]}),
        QRELS,
        "column 'score' holds something that is not an integer",
    ),
    "beir: a grade in words": (
        BEIR,
        beir(qrels={"query-id": ["q"], "corpus-id": ["d"], "score": ["good"]}),
        QRELS,
        "column 'score' holds something that is not an integer",
    ),
    "beir: judgements of other queries": (
        BEIR,
        beir(qrels={"query-id": ["other"], "corpus-id": ["d"], "score": [1]}),
        QRELS,
        "none of the judged queries is among the queries, which begin with 'q' (the first: 'other')",
    ),
    "beir: judgements of other documents": (
        BEIR,
        beir(qrels={"query-id": ["q", "q"], "corpus-id": ["d.jpg", "e.jpg"], "score": [1, 0]}),
        QRELS,
        "none of the judged documents is in the corpus, which begins with 'd' (the first: 'd.jpg')",
    ),
    "beir: relevant are documents that are not there": (
        BEIR,
        beir(qrels={"query-id": ["q", "q"], "corpus-id": ["d", "gone"], "score": [0, 1]}),
        QRELS,
        "no query has a relevant document in the corpus (the first: 'q')",
    ),
    "beir: one id for all queries": (
        BEIR,
        beir(queries={"id": ["q", "q"], "text": ["one", "two"]}),
        QRELS,
        "all 2 queries have the id 'q'",
    ),
    "beir: one id for all documents": (
        BEIR,
        beir(corpus={"id": ["d", "d"], "image": pictures("red", "green")}),
        QRELS,
        "all 2 documents have the id 'd'",
    ),
    "beir: no id in a row": (
        BEIR,
        beir(corpus={"id": ["d", None], "image": pictures("red", "green")}),
        CORPUS,
        "column 'id' holds no id in row 1",
    ),
    "beir: no number as an id in a row": (
        BEIR,
        beir(queries={"id": [float("nan")], "text": ["one"]}),
        "config queries, split test",
        "column 'id' holds no id in row 0",
    ),
    "beir: no id of a judged query": (
        BEIR,
        beir(qrels={"query-id": ["q", None], "corpus-id": ["d", "d"], "score": [1, 1]}),
        QRELS,
        "column 'query-id' holds no id in row 1",
    ),
    "beir: no id of a judged document": (
        BEIR,
        beir(qrels={"query-id": ["q", "q"], "corpus-id": [None, "d"], "score": [1, 1]}),
        QRELS,
        "column 'corpus-id' holds no id in row 0",
    ),
    "beir: every judgement contradicted": (
        BEIR,
        beir(qrels={"query-id": ["q", "q"], "corpus-id": ["d", "d"], "score": [0, 1]}),
        QRELS,
        "every judgement is contradicted by a later one of the same query and document (the first: ('q', 'd'))",
    ),
    "beir: one candidate each": (
        CHOICES,
        beir(qrels={"query-id": ["q"], "corpus-id": ["d"], "score": [1]}),
        QRELS,
        "every query has a single candidate, which is always the best (the first: 'q')",
    ),
    "beir: no candidate": (
        CHOICES,
        beir(
            queries={"id": ["q", "r"], "text": ["one", "two"]},
            qrels={"query-id": ["q", "r", "r"], "corpus-id": ["gone", "d", "e"], "score": [1, 1, 0]},
        ),
        QRELS,
        "query 'q' has no candidate in the corpus",
    ),
    "vidore: no query": (
        VIDORE,
        vidore(queries={"query-id": [1]}),
        "config queries, split test",
        "no column 'query', only query-id",
    ),
    "vidore: judgements of other documents": (
        VIDORE,
        vidore(qrels={"query-id": [1], "corpus-id": [8], "score": [1]}),
        QRELS,
        "none of the judged documents is in the corpus, which begins with 'corpus-test-7' (the first: 'corpus-test-8')",
    ),
    "vidore: no id": (
        VIDORE,
        vidore(queries={"query-id": [None], "query": ["one"]}),
        "config queries, split test",
        "column 'query-id' holds no id in row 0",
    ),
    "vidore: no image": (
        VIDORE,
        vidore(corpus={"corpus-id": [7], "image": pictures(None)}),
        CORPUS,
        "column 'image' holds no image in row 0",
    ),
    "cv_bench: another letter": (
        CV_BENCH,
        cv_bench(answer=["(G)"]),
        TEST,
        "column 'answer' holds '(G)' in row 0 for 2 choices",
    ),
    "cv_bench: a letter without brackets": (
        CV_BENCH,
        cv_bench(answer=["A"]),
        TEST,
        "column 'answer' holds 'A' in row 0 for 2 choices",
    ),
    "cv_bench: a letter beyond the choices": (
        CV_BENCH,
        cv_bench(answer=["(C)"]),
        TEST,
        "column 'answer' holds '(C)' in row 0 for 2 choices",
    ),
    "cv_bench: no row of the task": (CV_BENCH, cv_bench(task=["Depth"]), TEST, "no row whose task is 'Count'"),
    "hateful memes: no text": (
        HATEFUL,
        {"": {split: {"id": [1], "image": RED, "text": [None]} for split in ("train", "validation", "test")}},
        "split test",
        "column 'text' holds None in row 0 where a text should be",
    ),
    "hateful memes: no id": (
        HATEFUL,
        {"": {split: {"id": [None], "image": RED, "text": ["one"]} for split in ("train", "validation", "test")}},
        TEST,
        "column 'id' holds no id in row 0",
    ),
    "hateful memes: one id for all": (
        HATEFUL,
        {
            "": {
                split: {"id": [1, 1], "image": RED * 2, "text": ["a", "b"]} for split in ("train", "validation", "test")
            }
        },
        TEST,
        "all 2 queries have the id 'query-1'",
    ),
    "hateful memes: no image column of either name": (
        HATEFUL,
        {"": {split: {"id": [1], "text": ["one"]} for split in ("train", "validation", "test")}},
        TEST,
        "no column 'img', only id, text",
    ),
    "memotion: no corrected text": (MEMOTION, one(image=RED), TEST, "no column 'text_corrected', only image"),
    "scimmir: no text": (
        SCIMMIR,
        one(image=RED, text=[None]),
        TEST,
        "column 'text' holds None in row 0 where a text should be",
    ),
    "captions: no ids": (
        CAPTIONS,
        {"": {"en": {"image": [plain("red")], "captions": [["one"]]}}},
        "split en",
        "no column 'image_id', only image, captions",
    ),
    "captions: not one": (
        CAPTIONS,
        {"": {"en": {"image_id": ["a"], "image": RED, "captions": [[]]}}},
        "split en",
        "no query is judged",
    ),
    "captions: one id for all": (
        CAPTIONS,
        {"": {"en": {"image_id": ["a", "a"], "image": RED * 2, "captions": [["one"], ["two"]]}}},
        "split en",
        "all 2 queries have the id 'query-a-0'",
    ),
    "sentences: no id": (
        SENTENCES,
        {"": {"en": {"id": [None], "image": RED, "sentences": ["one"]}}},
        "split en",
        "column 'id' holds no id in row 0",
    ),
    "sentences: none in a row": (
        SENTENCES,
        {"": {"en": {"id": ["a"], "image": RED, "sentences": [None]}}},
        "split en",
        "column 'sentences' holds None in row 0 where a text should be",
    ),
    "imagecode: no right image": (
        IMAGECODE,
        imagecode(qrels={"query-id": ["q", "q"], "corpus-id": ["a", "b"], "score": [0, 0]}),
        QRELS,
        "no document with score 1 for query 'q'",
    ),
    "imagecode: an unknown image": (
        IMAGECODE,
        imagecode(qrels={"query-id": ["q", "q"], "corpus-id": ["a", "z"], "score": [1, 0]}),
        "config corpus, split corpus",
        "no document 'z', which the qrels name",
    ),
    "imagecode: one id for all images": (
        IMAGECODE,
        imagecode(corpus={"id": ["a", "a"], "image": pictures("red", "green")}),
        "config corpus, split corpus",
        "all 2 documents have the id 'a'",
    ),
    "imagecode: one id for all queries": (
        IMAGECODE,
        imagecode(query={"id": ["q", "q"], "text": ["one", "two"]}),
        "config query, split test",
        "all 2 queries have the id 'q'",
    ),
    "imagecode: several right images each": (
        IMAGECODE,
        imagecode(qrels={"query-id": ["q", "q"], "corpus-id": ["a", "b"], "score": [1, 1]}),
        QRELS,
        "every query has several documents with score 1 (the first: 'q')",
    ),
    "imagecode: queries with more and with fewer candidates": (
        IMAGECODE,
        imagecode(
            query={"id": ["q", "r"], "text": ["one", "two"]},
            qrels={"query-id": ["q", "q", "r"], "corpus-id": ["a", "b", "a"], "score": [0, 1, 1]},
        ),
        QRELS,
        "queries have between 1 and 2 candidates where all should have as many",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dataset_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    task, tables, where, sentence = REFUSED[case]
    subset = next(iter(task.subsets))
    with pytest.raises(DatasetError) as refusal:
        load_rows(task, subset, mirror(tmp_path, tables, ["image", "other"]))
    remedy = "" if "; " in sentence else REMEDY
    assert str(refusal.value) == f"dataset org/some-dataset (revision 0123456789abcdef), {where}: {sentence}{remedy}"


BROKEN: dict[str, tuple[Task, Tables, str]] = {
    "captions that are none": (
        CAPTIONS,
        {"": {"en": {"image_id": ["a"], "image": RED, "captions": [None]}}},
        "captions",
    ),
    "a caption that is none": (
        CAPTIONS,
        {"": {"en": {"image_id": ["a"], "image": RED, "captions": [["one", None]]}}},
        "captions",
    ),
    "choices that are none": (CV_BENCH, cv_bench(choices=[None]), "choices"),
    "an answer that is none": (CV_BENCH, cv_bench(answer=[None]), "answer"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_list_that_is_no_list_of_texts_is_refused_by_row(tmp_path: Path, case: str) -> None:
    task, tables, column = BROKEN[case]
    with pytest.raises(DatasetError, match=rf"column '{column}' holds .* in row 0"):
        load_rows(task, next(iter(task.subsets)), mirror(tmp_path, tables))


@pytest.mark.parametrize(
    ("task", "tables", "lacking"),
    [
        (BEIR, {"queries": {"test": {"id": ["q"], "text": ["one"]}}, "corpus": {"test": {"id": ["d"]}}}, "config"),
        (BEIR, one(image=RED), "config"),
        (VIDORE, {"queries": {"test": {"query": ["one"]}}}, "config"),
        (IMAGECODE, {"corpus": {"test": {"id": ["a"], "image": RED}}}, "split"),
        (LABELLED, {"": {"train": {"image": RED, "kind": [1]}}}, "split"),
        (PROBED, one(image=pictures("red", "green"), kind=[1, 2]), "split"),
        (CAPTIONS, {"": {"de": {"image_id": ["a"], "image": RED, "captions": [["one"]]}}}, "split"),
        (HATEFUL, one(id=[1], image=RED, text=["one"]), "split"),
    ],
    ids=["beir without qrels", "beir without any", "vidore", "imagecode", "labelled", "probe", "captions", "memes"],
)
def test_a_dataset_that_lacks_a_config_or_a_split(tmp_path: Path, task: Task, tables: Tables, lacking: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        load_rows(task, next(iter(task.subsets)), mirror(tmp_path, tables))
    assert str(refusal.value).startswith(
        "dataset org/some-dataset (revision 0123456789abcdef) cannot be read from the mirror "
        f"{tmp_path / 'mirror'}: it lacks a {lacking} that"
    )


def test_a_config_of_several_splits_must_have_a_test_split(tmp_path: Path) -> None:
    tables = {**beir(), "queries": {name: {"id": ["q"], "text": ["one"]} for name in ("dev", "train")}}
    with pytest.raises(DatasetError) as refusal:
        load_rows(BEIR, "default", mirror(tmp_path, tables))
    assert str(refusal.value) == (
        "dataset org/some-dataset (revision 0123456789abcdef), config queries: no split 'test' among dev, train; "
        "check the card's layout and revision"
    )


@pytest.mark.parametrize(
    ("task", "tables"),
    [
        (LABELLED, one(image=pictures("red", "green", "blue"), kind=[1, 2, 1])),
        (PROBED, kinds([1, 2], [1, 2])),
        (TAGGED, kinds([[1], [2]], [[1], [2]])),
        (COLOURS, one(image=RED, kind=Numbered([1], "red", "blue"))),
        (SHADES, one(image=RED, kind=Numbered([1], "blue", "red"))),
        (STS, one(image=RED, other=RED, score=[1])),
        (PAIRS, one(image=RED, right=["a"], wrong=["b"])),
        (BEIR, beir()),
        (CHOICES, beir()),
        (VIDORE, vidore()),
        (CV_BENCH, cv_bench()),
        (IMAGECODE, imagecode()),
    ],
    ids=lambda value: value.dataset.layout if isinstance(value, Task) else "",
)
def test_the_tables_that_the_refusals_start_from_are_sound(tmp_path: Path, task: Task, tables: Tables) -> None:
    found = load_rows(task, "default", mirror(tmp_path, tables, ["image", "other"]))
    assert set(found.sizes.values()) <= {1, 2, 3}
    assert found.findings == ()


def damaged(*colours: str | None) -> list[dict[str, Any] | None]:
    """Pictures, of which those without a colour are cut short."""
    return [{"bytes": plain(colour or "red")[: None if colour else -30], "path": None} for colour in colours]


def memes(column: str, **changes: Any) -> Tables:
    sound: Columns = {"id": [1, 2, 3], "image": pictures("red", "green", "blue"), column: ["one", "two", "three"]}
    splits = {name: dict(sound) for name in ("train", "validation", "test")}
    for split, columns in changes.items():
        splits[split] |= columns
    return {"": splits}


DROPPED = replace(
    PROBED, dataset=replace(PROBED.dataset, options={**PROBED.dataset.options, "drop_train_rows": (0, 2)})
)
# What is wrong lies elsewhere than in the dataset: rows were left out before it, or those of other splits put there.
MOVED: dict[str, tuple[Task, Tables, str, str]] = {
    "rows of the training split that the card drops": (
        DROPPED,
        {
            "": {
                "test": {"image": RED * 2, "kind": [1, 2]},
                "train": {"image": damaged("red", "green", "blue", None), "kind": [1, 2, 3, 4]},
            }
        },
        "split train",
        "row 3",
    ),
    "rows of another task": (
        CV_BENCH,
        cv_bench(
            task=["Depth", "Count", "Depth", "Count"],
            image=damaged("red", "green", "blue", None),
            question=["?"] * 4,
            choices=[["1", "2"]] * 4,
            answer=["(A)"] * 4,
        ),
        TEST,
        "row 3",
    ),
    "documents whose id was there before": (
        replace(BEIR, modalities="i2i"),
        beir(
            queries={"id": ["q"], "image": RED},
            corpus={"id": ["d", "d", "e"], "image": damaged("red", "green", None)},
        ),
        CORPUS,
        "row 2",
    ),
    "queries that nothing is known of": (
        replace(BEIR, modalities="i2i"),
        beir(queries={"id": ["p", "q"], "image": damaged("red", None)}),
        "config queries, split test",
        "row 1",
    ),
    "texts that were there before, in another split": (
        replace(HATEFUL, modalities="t2i"),
        memes("text", train={"id": [4, 5, 6], "text": ["a", "two", "c"], "image": damaged("red", "green", None)}),
        "split train",
        "row 2",
    ),
    "rows without a text": (
        replace(MEMOTION, modalities="t2i"),
        memes("text_corrected", validation={"text_corrected": [None, "b", "c"], "image": damaged("red", None, "blue")}),
        "split validation",
        "row 1",
    ),
    "candidates in the order of the judgements": (
        IMAGECODE,
        imagecode(corpus={"id": ["a", "b"], "image": damaged(None, "green")}),
        "config corpus, split corpus",
        "row 0",
    ),
}


def pictures_of(rows: Any) -> list[Images]:
    """All image columns of what a layout reads."""
    if isinstance(rows, Inputs):
        return [] if rows.images is None else [rows.images]
    if isinstance(rows, tuple):
        return [images for each in rows for images in pictures_of(each)]
    return pictures_of(tuple(vars(rows).values())) if hasattr(rows, "__dataclass_fields__") else []


@pytest.mark.parametrize("case", MOVED)
def test_a_damaged_image_is_named_by_the_row_of_the_dataset(tmp_path: Path, case: str) -> None:
    task, tables, where, row = MOVED[case]
    found = load_rows(task, "default", mirror(tmp_path, tables))
    with pytest.raises(DatasetError) as refusal:
        for images in pictures_of(found):
            list(images)
    sentence = f"{where}: column 'image' holds a damaged image in {row} ("
    assert str(refusal.value).startswith(f"dataset org/some-dataset (revision 0123456789abcdef), {sentence}")


@pytest.mark.parametrize(
    ("task", "tables", "sentence"),
    [
        (
            DROPPED,
            {
                "": {
                    "test": {"image": RED * 2, "kind": [1, 2]},
                    "train": {"image": pictures(*["red"] * 4), "kind": [1, 2, 3, None]},
                }
            },
            "split train: column 'kind' holds no label in 1 of 2 rows, the first of them row 3;",
        ),
        (
            DROPPED,
            {
                "": {
                    "test": {"image": RED * 2, "kind": [1, 2]},
                    "train": {"image": pictures("red", "red", "red", None), "kind": [1, 2, 3, 4]},
                }
            },
            "split train: column 'image' holds no image in row 3;",
        ),
        (
            CV_BENCH,
            cv_bench(
                task=["Depth", "Count"], image=RED * 2, question=["?", None], choices=[[]] * 2, answer=["(A)"] * 2
            ),
            "split test: column 'answer' holds '(A)' in row 1 for 0 choices;",
        ),
        (
            CV_BENCH,
            cv_bench(
                task=["Depth", "Count"], image=RED * 2, question=["?", None], choices=[["1"]] * 2, answer=["(A)"] * 2
            ),
            "split test: column 'question' holds None in row 1 where a text should be;",
        ),
        (
            HATEFUL,
            memes("text", validation={"text": ["one", None, "three"]}),
            "split validation: column 'text' holds None in row 1 where a text should be;",
        ),
    ],
    ids=["no label", "no image", "another letter", "no question", "no text"],
)
def test_what_else_is_wrong_is_named_by_it_too(tmp_path: Path, task: Task, tables: Tables, sentence: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        load_rows(task, "default", mirror(tmp_path, tables))
    assert sentence in str(refusal.value)
