"""Labelled images: linear probes, clustering, zero-shot classification."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
from PIL import Image

from pytest_mieb.miniature.classes import Classes, classes
from pytest_mieb.miniature.drawing import see_through
from pytest_mieb.miniature.looks import draw_look
from pytest_mieb.miniature.pages import draw_review, some_review
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, INTEGER, TEXT, Repository, Table, class_label, encoded, list_of, table
from pytest_mieb.suite.cards import load_tasks

TEST_ROWS = 200
TRAIN_ROWS_PER_CLASS = 17
SEE_THROUGH = "mteb/cifar10"
DIGITS_OF_THE_MODEL, DIGITS_OF_TRAIN = 1000, 1300
"""scikit-learn's digits up to the first number train the model, up to the second the probe; the rest are the test."""


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.images, bunch.target


def draw_digit(index: int, rng: random.Random) -> Image.Image:
    image = Image.fromarray(np.rint(digits()[0][index] * 15.9375).astype(np.uint8))
    side = rng.choice((28, 32))
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _pictures(path: str, split: str, own: Classes, n: int) -> Iterator[tuple[Image.Image, int]]:
    """`n` labelled pictures, every shown class as often as the others, in a shuffled order."""
    rng = generator("labelled", path, split)
    if own.domain == "digit":
        start, stop = (DIGITS_OF_THE_MODEL, DIGITS_OF_TRAIN) if split == "train" else (DIGITS_OF_TRAIN, 1797)
        for index in range(start, min(stop, start + n)):
            yield draw_digit(index, rng), int(digits()[1][index])
        return
    labels = [own.shown[i % len(own.shown)] for i in range(n)]
    rng.shuffle(labels)
    for label in labels:
        image = draw_look(own.domain, own.names[label], rng)
        yield image.convert("L") if own.domain == "face" else image, label


def _labelled(path: str) -> Iterator[Table]:
    own = classes()[path]
    tasks = [task for task in load_tasks().values() if task.dataset.path == path]
    options = tasks[0].dataset.options
    image, label = str(options["image"]), str(options["label"])
    form = {"jpg": "JPEG", "webp": "WEBP"}.get(image, "PNG")
    web_dataset = "/wds_" in path
    feature = INTEGER if web_dataset else class_label(own.names)
    splits = {str(options["split"]): TEST_ROWS}
    train = {task.dataset.options.get("train_split") for task in tasks} - {None}
    for name in sorted(map(str, train)):
        splits[name] = 300 if own.domain == "digit" else TRAIN_ROWS_PER_CLASS * len(own.shown)
    for split, n in splits.items():
        pictures = list(_pictures(path, split, own, n))
        if path == SEE_THROUGH:
            pictures = [(see_through(picture, i), cls) for i, (picture, cls) in enumerate(pictures)]
        rows = [(encoded(picture, form), cls) for picture, cls in pictures]
        if web_dataset:
            keyed = [(f"s{i:07d}", picture, cls) for i, (picture, cls) in enumerate(rows)]
            yield table({"__key__": TEXT, image: IMAGE, label: feature}, keyed, split)
        else:
            yield table({image: IMAGE, label: feature}, rows, split)


def _several_labels() -> Iterator[Table]:
    """VOC2007: one to three objects side by side."""
    own = classes()["mteb/VOC2007"]
    for split, n in (("test", 200), ("train", 160)):
        rng = generator("VOC2007", split)
        rows = []
        for i in range(n):
            shown = rng.sample(range(len(own.names)), rng.choice((1, 1, 2, 3)))
            tiles = [draw_look(own.domain, own.names[label], rng).resize((56, 56)) for label in shown]
            image = Image.new("RGB", (56 * len(tiles), 56))
            for k, tile in enumerate(tiles):
                image.paste(tile, (56 * k, 0))
            rows.append((f"{i:06d}", encoded(image, "JPEG"), sorted(shown)))
        yield table({"image_id": TEXT, "image": IMAGE, "classes": list_of(class_label(own.names))}, rows, split)


def _reviews() -> Iterator[Table]:
    rng = generator("renderedsst2")
    rows = []
    for i in range(TEST_ROWS):
        picture = draw_review(some_review(i % 2 == 1, rng), rng)
        rows.append((f"s{i:07d}", encoded(picture), i % 2))
    rng.shuffle(rows)
    yield table({"__key__": TEXT, "png": IMAGE, "cls": INTEGER}, rows)


def repositories() -> dict[str, Repository]:
    own = {"mteb/VOC2007": _several_labels, "mteb/wds_renderedsst2": _reviews}
    labelled = {task.dataset.path for task in load_tasks().values() if task.dataset.layout == "labelled"}
    found: dict[str, Repository] = {path: partial(_labelled, path) for path in labelled - set(own)}
    return found | own
