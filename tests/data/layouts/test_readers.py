"""Each layout read from a small mirror: rows, ids, candidates and order as the protocol says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from pytest_mieb.data import load_rows
from pytest_mieb.data.rows import CaptionedImages, Collection, Labelled, Rows, ScoredPairs
from pytest_mieb.data.sources import Mirror
from pytest_mieb.suite import Task
from tests.builders import a_task
from tests.data.mirrors import Columns, Tables, colours, encoded, mirror, pictures, plain

Judgements = Sequence[tuple[str | int, str | int, int]]  # query, document and score


def rows(folder: Path, task: Task, tables: Tables, subset: str = "default", images: Sequence[str] = ("image",)) -> Rows:
    return load_rows(task, subset, mirror(folder, tables, images))


def judged(found: Rows) -> list[tuple[int, int, int]]:
    assert isinstance(found, Collection)
    qrels = found.qrels
    return list(zip(qrels.queries.tolist(), qrels.documents.tolist(), qrels.gains.tolist(), strict=True))


def collection(found: Rows) -> Collection:
    assert isinstance(found, Collection)
    return found


LABELLED = {"split": "test", "image": "picture", "label": "kind"}


def test_labelled(tmp_path: Path) -> None:
    kinds = datasets.ClassLabel(names=["cat", "dog"])
    repository = tmp_path / "mirror" / "org" / "some-dataset" / "data"
    repository.mkdir(parents=True)
    for split, names, labels in (("test", ("red", "green", "red"), [1, 0, 1]), ("train", ("blue", "white"), [0, 1])):
        table = datasets.Dataset.from_dict({"picture": pictures(*names), "kind": labels, "other": labels})
        table = table.cast_column("picture", datasets.Image()).cast_column("kind", kinds)
        table.to_parquet(repository / f"{split}-00000-of-00001.parquet")
    found = load_rows(
        a_task(options=LABELLED | {"train_split": "train"}),
        "default",
        Mirror(tmp_path / "mirror", tmp_path / "cache"),
    )
    assert isinstance(found, Labelled) and found.train is not None
    assert (colours(found.test.inputs), list(found.test.labels)) == (["red", "green", "red"], [1, 0, 1])
    assert (colours(found.train.inputs), list(found.train.labels)) == (["blue", "white"], [0, 1])
    assert found.class_names == ("cat", "dog")
    assert found.sizes == {"test": 3, "train": 2}


@pytest.mark.parametrize(
    ("labels", "protocol"),
    [
        (["cat", "dog", "cat"], "clustering"),
        ([3, 4, 3], "clustering"),
        ([[0, 1], [2], [1]], "multilabel_linear_probe"),
    ],
    ids=["texts", "numbers", "lists"],
)
def test_labelled_without_class_names_and_without_a_training_split(
    tmp_path: Path, labels: list[Any], protocol: str
) -> None:
    tables = {"": {"test": {"picture": pictures("red", "green", "blue"), "kind": labels}}}
    found = rows(tmp_path, a_task(options=LABELLED, protocol=protocol), tables, images=["picture"])
    assert isinstance(found, Labelled)
    assert (found.class_names, found.train, list(found.test.labels)) == (None, None, labels)


@pytest.mark.parametrize(
    ("dropped", "left"), [((), ["red", "green", "blue"]), ((1,), ["red", "blue"]), ((0, 99), ["green", "blue"])]
)
def test_labelled_drops_the_rows_that_the_card_names(tmp_path: Path, dropped: tuple[int, ...], left: list[str]) -> None:
    train: Columns = {"picture": pictures("red", "green", "blue"), "kind": ["red", "green", "blue"]}
    options = LABELLED | {"train_split": "train", "drop_train_rows": dropped}
    task = a_task(options=options, protocol="linear_probe")
    found = rows(tmp_path, task, {"": {"test": train, "train": train}}, images=["picture"])
    assert isinstance(found, Labelled) and found.train is not None
    assert colours(found.train.inputs) == list(found.train.labels) == left
    assert colours(found.test.inputs) == ["red", "green", "blue"]


STS = {"split": "test", "images": ("left", "right"), "score": "likeness"}


def test_sts(tmp_path: Path) -> None:
    table: Columns = {"left": pictures("red", "green"), "right": pictures("blue", "red"), "likeness": [4.5, 0]}
    found = rows(tmp_path, a_task("sts", STS), {"": {"test": table}}, images=["left", "right"])
    assert isinstance(found, ScoredPairs)
    assert (colours(found.first), colours(found.second)) == (["red", "green"], ["blue", "red"])
    assert found.scores.tolist() == [4.5, 0]


def test_sts_has_one_config_a_subset(tmp_path: Path) -> None:
    def table(colour: str, score: int) -> dict[str, Columns]:
        return {"test": {"left": pictures(colour), "right": pictures(colour), "likeness": [score]}}

    task = a_task("sts", STS, subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)})
    source = mirror(tmp_path, {"en": table("red", 1), "no": table("blue", 2)}, ["left", "right"])
    for subset, colour, score in (("en", "red", 1), ("no", "blue", 2)):
        found = load_rows(task, subset, source)
        assert isinstance(found, ScoredPairs)
        assert (colours(found.first), found.scores.tolist()) == ([colour], [score])


def test_pairs_keep_the_order_of_the_columns_that_the_card_names(tmp_path: Path) -> None:
    table: Columns = {
        "one": pictures("red", "green"),
        "two": pictures("blue", "white"),
        "right": ["a", "b"],
        "wrong": ["c", "d"],
    }
    options = {"split": "train", "images": ("two", "one"), "texts": ("right", "wrong")}
    found = rows(tmp_path, a_task("pairs", options), {"": {"train": table}}, images=["one", "two"])
    assert isinstance(found, CaptionedImages)
    assert [colours(column) for column in found.images] == [["blue", "white"], ["red", "green"]]
    assert [column.texts for column in found.texts] == [["a", "b"], ["c", "d"]]


def beir(queries: Columns, corpus: Columns, judgements: Judgements) -> dict[str, dict[str, Columns]]:
    query, document, score = zip(*judgements, strict=True)
    qrels = {"query-id": query, "corpus-id": document, "score": score}
    return {"queries": {"test": queries}, "corpus": {"test": corpus}, "qrels": {"test": qrels}}


QUERIES: Columns = {"id": ["q1", "q2", "q3"], "text": ["one", "two", "three"]}
CORPUS: Columns = {"id": ["d1", "d2"], "image": pictures("red", "green")}


def test_beir(tmp_path: Path) -> None:
    tables = beir(QUERIES, CORPUS, [("q3", "d1", 2), ("q1", "d2", 1), ("q1", "d1", 0)])
    found = collection(rows(tmp_path, a_task("beir", modalities="t2i"), tables))
    assert found.queries.texts == ["one", "three"]  # q2 is not judged
    assert (colours(found.documents), list(found.document_ids)) == (["red", "green"], ["d1", "d2"])
    assert judged(found) == [(0, 1, 1), (0, 0, 0), (1, 0, 2)]
    assert found.candidates is None


def test_beir_by_its_other_names(tmp_path: Path) -> None:
    tables = beir(
        {"_id": ["q1"], "text": ["one"]},
        {"_id": ["d1", "d2"], "text": ["red", "green"]},
        [("q1", "d2", 1)],
    )
    renamed: Tables = {
        "query": {"dev": tables["queries"]["test"]},  # a config's only split, whatever it is called
        "corpus": {"anything": tables["corpus"]["test"]},
        "default": {
            "train": {"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]},
            "test": tables["qrels"]["test"],
        },
    }
    found = collection(rows(tmp_path, a_task("beir", modalities="t2t"), renamed))
    assert (found.queries.texts, found.documents.texts, judged(found)) == (["one"], ["red", "green"], [(0, 1, 1)])


def test_beir_numbers_as_ids_are_texts(tmp_path: Path) -> None:
    corpus: Columns = {"id": [9, 10], "text": ["a", "b"]}
    tables = beir({"id": [1], "text": ["one"]}, corpus, [(1, 10, 1)])
    found = collection(rows(tmp_path, a_task("beir", modalities="t2t"), tables))
    assert (list(found.document_ids), judged(found)) == (["9", "10"], [(0, 1, 1)])


def test_beir_ignores_columns_of_modalities_that_the_task_does_not_use(tmp_path: Path) -> None:
    queries: Columns = {"id": ["q1"], "text": ["one"], "image": pictures(None)}
    corpus: Columns = {"id": ["d1"], "text": [None], "image": pictures("red")}
    found = collection(rows(tmp_path, a_task("beir", modalities="t2i"), beir(queries, corpus, [("q1", "d1", 1)])))
    assert (found.queries.modality, found.documents.modality) == ("text", "image")


def test_beir_interleaves_where_the_task_does(tmp_path: Path) -> None:
    side: Columns = {"id": ["x", "y"], "text": ["one", "two"], "image": pictures("red", "blue")}
    tables = beir(side, side, [("x", "y", 1)])
    found = collection(rows(tmp_path, a_task("beir", modalities="it2it"), tables))
    assert (colours(found.queries), found.queries.texts) == (["red"], ["one"])
    assert (colours(found.documents), found.documents.texts) == (["red", "blue"], ["one", "two"])


def test_beir_document_texts_have_their_titles_in_front_and_are_stripped(tmp_path: Path) -> None:
    corpus: Columns = {
        "id": ["a", "b", "c", "d"],
        "title": ["Title", "", None, " Title "],
        "text": [" text\n", " text ", "\ttext", ""],
    }
    queries = {"id": ["q"], "text": [" text "], "title": ["Title"]}
    found = collection(rows(tmp_path, a_task("beir", modalities="t2t"), beir(queries, corpus, [("q", "a", 1)])))
    assert found.documents.texts == ["Title  text", "text", "text", "Title"]
    assert found.queries.texts == [" text "]


def test_beir_of_repeated_ids_the_first_counts_and_of_repeated_judgements_the_last(tmp_path: Path) -> None:
    queries = {"id": ["q", "q", "unjudged"], "text": ["first", "second", "third"]}
    corpus = {"id": ["d", "e", "d"], "text": ["one", "two", "three"]}
    judgements = [("q", "d", 1), ("q", "e", 1), ("q", "d", 3)]
    found = collection(rows(tmp_path, a_task("beir", modalities="t2t"), beir(queries, corpus, judgements)))
    assert (found.queries.texts, found.documents.texts) == (["first"], ["one", "two"])
    assert judged(found) == [(0, 0, 3), (0, 1, 1)]


def test_beir_marks_judged_documents_that_are_not_in_the_corpus(tmp_path: Path) -> None:
    tables = beir(QUERIES, CORPUS, [("q1", "gone", 1), ("q1", "d1", 1)])
    assert judged(rows(tmp_path, a_task("beir", modalities="t2i"), tables)) == [(0, -1, 1), (0, 0, 1)]


def test_beir_candidates_are_all_documents_of_a_querys_qrels(tmp_path: Path) -> None:
    judgements = [("q2", "d2", 0), ("q1", "d2", 1), ("q2", "d1", 1), ("q2", "gone", 0)]
    task = a_task("beir_candidates_from_qrels", modalities="t2i", protocol="multiple_choice", metric="accuracy")
    found = collection(rows(tmp_path, task, beir(QUERIES, CORPUS, judgements)))
    assert found.queries.texts == ["one", "two"]
    assert found.candidates is not None
    assert [pool.tolist() for pool in found.candidates] == [[1], [1, 0]]


def test_vidore(tmp_path: Path) -> None:
    tables: Tables = {
        "queries": {"test": {"query-id": [0, 1], "query": ["what", "why"]}},
        "corpus": {"test": {"corpus-id": [7, 8], "image": pictures("red", "green")}},
        "qrels": {"test": {"query-id": [1, 0], "corpus-id": [7, 8], "score": [1, 1]}},
    }
    found = collection(rows(tmp_path, a_task("vidore", modalities="t2i"), tables))
    assert (found.queries.texts, colours(found.documents)) == (["what", "why"], ["red", "green"])
    assert judged(found) == [(0, 1, 1), (1, 0, 1)]


CV_BENCH = a_task(
    "cv_bench", {"split": "test", "task": "Count"}, modalities="it2t", protocol="multiple_choice", metric="accuracy"
)


def test_cv_bench(tmp_path: Path) -> None:
    table: Columns = {
        "task": ["Count", "Depth", "Count"],
        "image": pictures("red", "green", "blue"),
        "question": ["how many?", "how far?", "and now?"],
        "choices": [["1", "2"], ["far", "near"], ["3", "2 ", "1"]],
        "answer": ["(B)", "(A)", "(C)"],
    }
    found = collection(rows(tmp_path, CV_BENCH, {"": {"test": table}}))
    assert (colours(found.queries), found.queries.texts) == (["red", "blue"], ["how many?", "and now?"])
    assert found.documents.texts == ["1", "2", "3", "2"]  # distinct before they are stripped
    assert found.candidates is not None
    assert [pool.tolist() for pool in found.candidates] == [[0, 1], [2, 3, 0]]
    assert judged(found) == [(0, 0, 0), (0, 1, 1), (1, 2, 0), (1, 3, 0), (1, 0, 1)]


def memes(column: str = "image") -> dict[str, Columns]:
    return {
        "train": {"id": [5, 6], column: pictures("white", "grey"), "text": ["one", "four"]},
        "validation": {"id": [3, 4], column: pictures("blue", "white"), "text": ["three", " two"]},
        "test": {"id": [1, 2], column: pictures("red", "green"), "text": ["one", "two"]},
    }


@pytest.mark.parametrize("column", ["image", "img"])
def test_hateful_memes(tmp_path: Path, column: str) -> None:
    source = mirror(tmp_path, {"": memes(column)}, [column])
    by_image = collection(load_rows(a_task("hateful_memes", {"split": "test"}, modalities="i2t"), "default", source))
    # Pooled from test, validation and train; the "one" of train is a repetition, " two" is another text than "two".
    assert list(by_image.document_ids) == ["corpus-1", "corpus-2", "corpus-3", "corpus-4", "corpus-6"]
    assert by_image.documents.texts == ["one", "two", "three", "two", "four"]
    assert (colours(by_image.queries), judged(by_image)) == (["red", "green"], [(0, 0, 1), (1, 1, 1)])

    by_text = collection(load_rows(a_task("hateful_memes", {"split": "test"}, modalities="t2i"), "default", source))
    assert list(by_text.document_ids) == list(by_image.document_ids)
    assert colours(by_text.documents) == ["red", "green", "blue", "white", "grey"]
    assert (by_text.queries.texts, judged(by_text)) == (["one", "two"], [(0, 0, 1), (1, 1, 1)])


def test_a_meme_whose_text_was_seen_before_searches_a_document_that_is_gone(tmp_path: Path) -> None:
    tables = memes()
    tables["test"] = {**tables["test"], "text": ["one", "one"]}
    found = rows(tmp_path, a_task("hateful_memes", {"split": "test"}, modalities="i2t"), {"": tables})
    assert judged(found) == [(0, 0, 1), (1, -1, 1)]


@pytest.mark.parametrize("modalities", ["i2t", "t2i"])
def test_memotion(tmp_path: Path, modalities: str) -> None:
    tables: dict[str, Columns] = {
        "train": {"image": pictures("red", "grey"), "text_corrected": [" one ", None]},
        "test": {"image": pictures("grey", "green", "blue"), "text_corrected": [None, "two", "one"]},
    }
    found = collection(rows(tmp_path, a_task("memotion", {"split": "test"}, modalities=modalities), {"": tables}))
    assert list(found.document_ids) == ["corpus-train-0", "corpus-test-0", "corpus-test-1"]
    if modalities == "i2t":
        assert (colours(found.queries), found.documents.texts) == (["green", "blue"], ["one", "two", "one"])
    else:
        assert (found.queries.texts, colours(found.documents)) == (["two", "one"], ["red", "green", "blue"])
    assert judged(found) == [(0, 1, 1), (1, 2, 1)]


@pytest.mark.parametrize("modalities", ["i2t", "t2i"])
def test_scimmir(tmp_path: Path, modalities: str) -> None:
    table: Columns = {"image": pictures("red", "green"), "text": ["one ", " two"]}
    task = a_task("scimmir", {"split": "test"}, modalities=modalities)
    found = collection(rows(tmp_path, task, {"": {"test": table}}))
    if modalities == "i2t":
        assert (colours(found.queries), found.documents.texts) == (["red", "green"], ["one", "two"])
    else:
        assert (found.queries.texts, colours(found.documents)) == (["one ", " two"], ["red", "green"])
    assert list(found.document_ids) == ["corpus-test-0", "corpus-test-1"]
    assert judged(found) == [(0, 0, 1), (1, 1, 1)]


def test_captioned_images_per_language(tmp_path: Path) -> None:
    tables: dict[str, Columns] = {
        "en": {"image_id": ["a", "b"], "image": pictures("red", "green"), "captions": [["one", "two"], ["three"]]},
        "no": {"image_id": ["a", "c"], "image": pictures("blue", "white"), "captions": [[], ["fire"]]},
    }
    task = a_task("captioned_images_per_language", modalities="t2i", subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)})
    source = mirror(tmp_path, {"": tables})
    english, norwegian = (collection(load_rows(task, subset, source)) for subset in ("en", "no"))
    assert (english.queries.texts, colours(english.documents)) == (["one", "two", "three"], ["red", "green"])
    assert list(english.document_ids) == ["corpus-a", "corpus-b"]
    assert judged(english) == [(0, 0, 1), (1, 0, 1), (2, 1, 1)]
    assert (norwegian.queries.texts, colours(norwegian.documents)) == (["fire"], ["blue", "white"])
    assert judged(norwegian) == [(0, 1, 1)]


def test_captioned_images_may_be_raw_bytes(tmp_path: Path) -> None:
    table: Columns = {"image_id": ["a"], "image": [plain("red")], "captions": [["one"]]}
    task = a_task("captioned_images_per_language", modalities="t2i", subsets={"en": ("eng-Latn",)})
    assert colours(collection(rows(tmp_path, task, {"": {"en": table}}, "en")).documents) == ["red"]


@pytest.mark.parametrize("reencode", [True, False])
def test_captioned_images_are_encoded_again_where_the_card_says_so(tmp_path: Path, reencode: bool) -> None:
    noisy = encoded(Image.effect_noise((32, 32), 90).convert("RGB"), "JPEG", quality=95)
    table: Columns = {"image_id": ["a"], "image": [noisy], "captions": [["one"]]}
    options = {"reencode": reencode}
    task = a_task("captioned_images_per_language", options, modalities="t2i", subsets={"en": ("eng-Latn",)})
    documents = collection(rows(tmp_path, task, {"": {"en": table}}, "en")).documents
    same = documents.images is not None and documents.images[0] == Image.open(io.BytesIO(noisy))
    assert same is not reencode


def test_sentence_per_image_per_language(tmp_path: Path) -> None:
    table: Columns = {"id": [1, 2], "image": [plain("red"), plain("blue")], "sentences": ["one", "two"]}
    task = a_task("sentence_per_image_per_language", modalities="t2i", subsets={"no": ("nob-Latn",)})
    found = collection(rows(tmp_path, task, {"": {"no": table}}, "no"))
    assert (found.queries.texts, colours(found.documents)) == (["one", "two"], ["red", "blue"])
    assert (list(found.document_ids), judged(found)) == (["corpus-1", "corpus-2"], [(0, 0, 1), (1, 1, 1)])


def imagecode(judgements: Judgements) -> dict[str, dict[str, Columns]]:
    query, document, score = zip(*judgements, strict=True)
    return {
        "corpus": {"corpus": {"id": ["a", "b", "c"], "image": pictures("red", "green", "blue")}},
        "query": {"test": {"id": ["q", "r"], "text": ["one", "two"]}},
        "qrels": {"test": {"query-id": query, "corpus-id": document, "score": score}},
    }


JUDGED = [("q", "a", 0), ("q", "b", 1), ("r", "c", 1), ("q", "c", 0), ("r", "b", 0), ("r", "a", 0)]


def test_imagecode_has_the_right_image_first_and_the_others_in_their_order(tmp_path: Path) -> None:
    found = rows(tmp_path, a_task("imagecode", {"split": "test"}), imagecode(JUDGED))
    assert isinstance(found, CaptionedImages)
    assert [colours(column) for column in found.images] == [["green", "blue"], ["red", "green"], ["blue", "red"]]
    assert [column.texts for column in found.texts] == [["one", "two"]]
