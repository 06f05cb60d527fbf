"""In which mode a picture leaves each layout: that of its file, or RGB where the reference's loader makes it.

That it is the reference's is shown by `tests.parity`, whose datasets hold transparent pictures in every layout.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pytest_mieb.data import load_rows
from pytest_mieb.data.layouts import known
from pytest_mieb.suite import Task
from tests.data.layouts import test_refusals as sound
from tests.data.layouts.test_refusals import pictures_of
from tests.data.mirrors import Tables, encoded, mirror

FILE = encoded(Image.new("RGBA", (4, 4), (200, 0, 0, 9)))
SEEN = [{"bytes": FILE, "path": None}]
CAPTIONED: Tables = {"": {"en": {"image_id": ["a"], "image": [FILE], "captions": [["one"]]}}}
SPLITS = ("train", "validation", "test")
TABLES: list[tuple[Task, Tables, str]] = [
    (sound.LABELLED, sound.one(image=SEEN * 2, kind=[1, 2]), "RGBA"),
    (sound.STS, sound.one(image=SEEN, other=SEEN, score=[1]), "RGBA"),
    (sound.PAIRS, sound.one(image=SEEN, right=["a"], wrong=["b"]), "RGB"),
    (sound.IMAGECODE, sound.imagecode(corpus={"id": ["a", "b"], "image": SEEN * 2}), "RGB"),
    (sound.BEIR, sound.beir(corpus={"id": ["d"], "image": SEEN}), "RGBA"),
    (sound.CHOICES, sound.beir(corpus={"id": ["d", "e"], "image": SEEN * 2}), "RGBA"),
    (sound.VIDORE, sound.vidore(corpus={"corpus-id": [7], "image": SEEN}), "RGBA"),
    (sound.CV_BENCH, sound.cv_bench(image=SEEN), "RGBA"),
    (sound.HATEFUL, {"": {split: {"id": [1], "image": SEEN, "text": ["one"]} for split in SPLITS}}, "RGBA"),
    (sound.MEMOTION, {"": {split: {"image": SEEN, "text_corrected": ["one"]} for split in SPLITS}}, "RGBA"),
    (sound.SCIMMIR, sound.one(image=SEEN, text=["one"]), "RGBA"),
    (sound.CAPTIONS, CAPTIONED, "RGBA"),
    (sound.SENTENCES, {"": {"en": {"id": ["a"], "image": [FILE], "sentences": ["one"]}}}, "RGBA"),
]


@pytest.mark.parametrize(("task", "tables", "mode"), TABLES, ids=[task.dataset.layout for task, _, _ in TABLES])
def test_a_picture_with_alpha(tmp_path: Path, task: Task, tables: Tables, mode: str) -> None:
    found = pictures_of(load_rows(task, next(iter(task.subsets)), mirror(tmp_path, tables, ["image", "other"])))
    assert {image.mode for images in found for image in images} == {mode}


def test_every_layout_is_there() -> None:
    assert {task.dataset.layout for task, _, _ in TABLES} == set(known())
