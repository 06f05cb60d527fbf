"""The same pictures told in many languages: one split per language."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mieb.miniature.drawing import SEE_THROUGH_EVERY, see_through
from pytest_mieb.miniature.scenes import Scene, draw_scene, some_scene
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, RAW_BYTES, TEXT, Encoded, Repository, Table, encoded, list_of, table
from pytest_mieb.suite.cards import load_tasks

IMAGES = 60
# With which number their pictures begin, so that all ways of being transparent are among so few.
FIRST = {"xm3600": 0, "wit": 10, "xflickr": 45}


def _drawn(seed: str, form: str) -> list[tuple[Scene, Encoded]]:
    rng = generator(seed)
    scenes = [some_scene(rng, pair=0.5) for _ in range(IMAGES)]
    pictures = [see_through(draw_scene(scene, rng), i + FIRST[seed]) for i, scene in enumerate(scenes)]
    forms = [form if (i + FIRST[seed]) % SEE_THROUGH_EVERY else "PNG" for i in range(IMAGES)]
    return list(zip(scenes, map(encoded, pictures, forms), strict=True))


def _subsets(path: str) -> list[str]:
    return next(list(task.subsets) for task in load_tasks().values() if task.dataset.path == path)


def told_twice(scene: Scene, language: str) -> list[str]:
    """The caption, and for a pair of things the one from the other side."""
    return [scene.caption(language)] + ([scene.turned().caption(language)] if scene.second else [])


def _xm3600() -> Iterator[Table]:
    drawn = _drawn("xm3600", "PNG")
    for language in _subsets("mteb/xm3600"):
        rows = []
        for i, (scene, image) in enumerate(drawn):
            captions = told_twice(scene, language)
            lower = [caption.lower() for caption in captions]
            rows.append((f"{i:016x}", language, captions, captions, lower, image))
        features = {
            "image_id": TEXT,
            "image_locale": TEXT,
            "captions": list_of(TEXT),
            "captions_tokenized": list_of(TEXT),
            "captions_tokenized_lowercase": list_of(TEXT),
            "image": RAW_BYTES,
        }
        yield table(features, rows, split=language)


def _wit() -> Iterator[Table]:
    drawn = _drawn("wit", "JPEG")
    for language in _subsets("mteb/wit"):
        rows = [(f"wit-{i}", image, [scene.caption(language)]) for i, (scene, image) in enumerate(drawn)]
        yield table({"image_id": TEXT, "image": IMAGE, "captions": list_of(TEXT)}, rows, split=language)


def _xflickr() -> Iterator[Table]:
    drawn = _drawn("xflickr", "JPEG")
    for language in _subsets("mteb/xflickrco"):
        rows = [(f"{1000 + i}.jpg", image, scene.caption(language)) for i, (scene, image) in enumerate(drawn)]
        yield table({"id": TEXT, "image": RAW_BYTES, "sentences": TEXT}, rows, split=language)


def repositories() -> dict[str, Repository]:
    return {"mteb/xm3600": _xm3600, "mteb/wit": _wit, "mteb/xflickrco": _xflickr}
