"""Questions with a few candidates: BLINK, CV-Bench, ImageCoDe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_mieb.miniature.drawing import SEE_THROUGH_EVERY, see_through
from pytest_mieb.miniature.questions import (
    Question,
    count_question,
    depth_question,
    distance_question,
    relation_question,
    visual_question,
)
from pytest_mieb.miniature.repositories.retrieval import SAME, Form, Item, beir
from pytest_mieb.miniature.scenes import changed, draw_scene, some_scene
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, INTEGER, NUMBER, TEXT, Repository, Table, encoded, list_of, table

ROWS = 200
CV_BENCH = {
    "Count": count_question,
    "Relation": relation_question,
    "Depth": depth_question,
    "Distance": distance_question,
}


def _blink_pictures() -> Iterator[Table]:
    """Which picture of two shows the same as the query's? Both are in the qrels, the wrong one with score 0."""
    rng = generator("blink pictures to choose")
    queries, corpus, qrels = [], [], []
    for i in range(ROWS):
        scene = some_scene(rng, pair=0.5)
        queries.append(Item(f"q{i}", SAME, encoded(draw_scene(scene, rng))))
        pair = [(scene, 1), (changed(scene, rng), 0)]
        rng.shuffle(pair)
        for k, (shown, score) in enumerate(pair):
            picture = see_through(draw_scene(shown, rng), 2 * i + k)
            corpus.append(Item(f"c{2 * i + k}", image=encoded(picture)))
            qrels.append((f"q{i}", f"c{2 * i + k}", score))
    yield from beir(queries, corpus, qrels)


def _blink_answers() -> Iterator[Table]:
    rng = generator("blink answers to choose")
    asked = [visual_question(rng) for _ in range(ROWS)]
    answers = list(dict.fromkeys(choice for q in asked for choice in q.choices))
    queries = [Item(f"q{i}", q.text, encoded(q.image)) for i, q in enumerate(asked)]
    corpus = [Item(f"c{i}", answer) for i, answer in enumerate(answers)]
    qrels = [
        (f"q{i}", f"c{answers.index(choice)}", int(choice == q.answer))
        for i, q in enumerate(asked)
        for choice in q.choices
    ]
    yield from beir(queries, corpus, qrels, Form(queries="query"))


def _cv_bench() -> Iterator[Table]:
    rng = generator("cv-bench")
    features = {
        "idx": INTEGER, "type": TEXT, "task": TEXT, "image": IMAGE, "question": TEXT, "choices": list_of(TEXT),
        "answer": TEXT, "prompt": TEXT, "filename": TEXT, "source": TEXT, "source_dataset": TEXT,
        "source_filename": TEXT, "target_class": TEXT, "target_size": INTEGER, "bbox": list_of(list_of(NUMBER)),
    }  # fmt: skip
    rows: list[list[Any]] = []
    for kind, ask in CV_BENCH.items():
        for _ in range(ROWS):
            q: Question = ask(rng)
            letter = f"({'ABCDEF'[q.choices.index(q.answer)]})"
            dimension = "2D" if kind in ("Count", "Relation") else "3D"
            image = encoded(see_through(q.image, len(rows)))
            rows.append([len(rows), dimension, kind, image, q.text, list(q.choices), letter, q.text,
                         f"{len(rows)}.png", "miniature", "miniature", "", None, None, None])  # fmt: skip
    yield table(features, rows)


def _imagecode() -> Iterator[Table]:
    """A caption and ten similar pictures, of which it tells one."""
    rng = generator("imagecode to choose")
    corpus: list[Item] = []
    queries, qrels = [], []
    for i in range(60):
        scene = some_scene(rng, pair=0.7)
        group = [scene]
        while len(group) < 10:
            other = changed(group[rng.randrange(min(4, len(group)))], rng)
            if other not in group:
                group.append(other)
        ids = [f"{i}-{k}" for k in range(10)]
        for name, shown in zip(ids, group, strict=True):
            number = len(corpus)
            picture = see_through(draw_scene(shown, rng), number)
            corpus.append(Item(name, image=encoded(picture, "JPEG" if number % SEE_THROUGH_EVERY else "PNG")))
        for k in rng.sample(range(10), 4):
            query = f"q{i}-{k}"
            queries.append(Item(query, group[k].caption()))
            order = ids[:]
            rng.shuffle(order)
            qrels += [(query, name, int(name == ids[k])) for name in order]
    yield from beir(queries, corpus, qrels, Form(queries="query", corpus_split="corpus"))


def repositories() -> dict[str, Repository]:
    return {
        "mteb/blink-it2i-multi": _blink_pictures,
        "mteb/blink-it2t-multi": _blink_answers,
        "mteb/CV-Bench": _cv_bench,
        "mteb/imagecode-multi": _imagecode,
    }
