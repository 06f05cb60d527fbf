"""Images with right and wrong captions, and rendered sentence pairs with a similarity."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from pytest_mieb.miniature.drawing import see_through
from pytest_mieb.miniature.pages import draw_sentence
from pytest_mieb.miniature.scenes import Scene, changed, draw_scene, some_scene, swapped
from pytest_mieb.miniature.seeds import generator
from pytest_mieb.miniature.tables import IMAGE, NUMBER, TEXT, Repository, Table, encoded, table
from pytest_mieb.miniature.words import COLOURS, PLACES, RELATIONS, SHAPES
from pytest_mieb.suite.cards import load_tasks

ROWS = 200
# Of the rendered sentences, those that are transparent here and there.
SEE_THROUGH = "mteb/rendered-sts12"


def shuffled(caption: str, rng: random.Random) -> str:
    """The caption's words in another order."""
    words = caption.split(" ")
    other = words[:]
    while other == words:
        rng.shuffle(other)
    return " ".join(other)


def _orders(path: str) -> Iterator[Table]:
    rng = generator(path)
    rows = []
    for _ in range(ROWS):
        scene = some_scene(rng, pair=1)
        caption = scene.caption()
        rows.append((encoded(draw_scene(scene, rng)), caption, *(shuffled(caption, rng) for _ in range(4))))
    texts = ("correct_caption", *(f"hard_text_{i}" for i in range(1, 5)))
    yield table({"images": IMAGE, **dict.fromkeys(texts, TEXT)}, rows)


def _bindings(path: str, ways: tuple[str, ...]) -> Iterator[Table]:
    rng = generator(path)
    rows = []
    for _ in range(ROWS):
        scene = some_scene(rng, pair=1, plain=True)
        wrong = swapped(scene, rng, ways).caption()
        rows.append((encoded(draw_scene(scene, rng)), scene.caption(), wrong))
    yield table({"image": IMAGE, "true_caption": TEXT, "false_caption": TEXT}, rows)


def _sugarcrepe() -> Iterator[Table]:
    rng = generator("sugarcrepe")
    rows = []
    for i in range(ROWS):
        scene = some_scene(rng, pair=1)
        wrong = swapped(scene, rng) if i % 3 == 0 else changed(scene, rng)
        rows.append((encoded(draw_scene(scene, rng), "JPEG"), scene.caption(), wrong.caption()))
    yield table({"images": IMAGE, "caption": TEXT, "negative_caption": TEXT}, rows, split="train")


def _winoground() -> Iterator[Table]:
    rng = generator("winoground")
    rows = []
    for i in range(200):
        scene = some_scene(rng, pair=1, plain=True)
        other = swapped(scene, rng)
        pictures = [draw_scene(s, rng) for s in (scene, other)]
        pictures[0] = see_through(pictures[0], i)
        rows.append((i, *map(encoded, pictures), scene.caption(), other.caption()))
    features = {"id": {"dtype": "int64", "_type": "Value"}, "image_0": IMAGE, "image_1": IMAGE}
    yield table(features | {"caption_0": TEXT, "caption_1": TEXT}, rows)


def similar(scene: Scene, kept: int, rng: random.Random) -> Scene:
    """A sentence that shares `kept` of the five words with the scene's."""
    assert scene.second
    slots = ["colour", "shape", "relation", "colour 2", "shape 2"]
    for slot in rng.sample(slots, 5 - kept):
        first, second = scene.first, scene.second
        assert second
        if slot == "relation":
            scene = replace(scene, relation=rng.choice([r for r in RELATIONS if r != scene.relation]))
            continue
        thing, field = (second, slot[:-2]) if slot.endswith("2") else (first, slot)
        old = getattr(thing, field)
        word = rng.choice([w for w in (COLOURS if field == "colour" else SHAPES) if w != old])
        new = replace(thing, colour=word) if field == "colour" else replace(thing, shape=word)
        scene = replace(scene, second=new) if thing is second else replace(scene, first=new)
    return scene


def _sentences(seed: str, languages: tuple[str, str], n: int, split: str, config: str) -> Table:
    """Pairs of rendered sentences; the score is the number of words they share, and may be doubted by a half."""
    rng = generator(seed, config, split)
    rows = []
    for i in range(n):
        scene = some_scene(rng, pair=1, plain=True)
        if scene.place and rng.random() < 0.7:
            scene = replace(scene, place="")
        kept = i % 6
        other = similar(scene, kept, rng)
        if kept < 5 and rng.random() < 0.4:
            other = replace(other, place=rng.choice(PLACES))
        sides = rng.choice((96, 112)), rng.choice((96, 112))
        pictures = [
            draw_sentence(s, language, rng, side)
            for s, language, side in zip((scene, other), languages, sides, strict=True)
        ]
        if seed == SEE_THROUGH and i % 2 == 0:
            pictures[1] = see_through(pictures[1], i // 2)
        rows.append((*map(encoded, pictures), max(0.0, min(5.0, kept + rng.choice((-0.4, -0.2, 0.0, 0.2, 0.4))))))
    rng.shuffle(rows)
    features = {"sentence1": IMAGE, "sentence2": IMAGE, "score": NUMBER}
    return table(features, rows, split, config)


def _sts(path: str) -> Iterator[Table]:
    yield _sentences(path, ("en", "en"), 200, "test", "default")


def _sts17() -> Iterator[Table]:
    codes = ("ko-ko", "ar-ar", "en-ar", "en-de", "en-en", "en-tr", "es-en", "es-es", "fr-en", "it-en", "nl-en")
    for code in codes:
        one, other = code.split("-")
        yield _sentences("sts17", (one, other), 200 if code == "en-en" else 90, "test", code)


def _stsb() -> Iterator[Table]:
    for code in ("en", "de", "es", "fr", "it", "nl", "pl", "pt", "ru", "zh"):
        yield _sentences("stsb", (code, code), 12, "dev", code)
        yield _sentences("stsb", (code, code), 200 if code == "en" else 90, "test", code)


def repositories() -> dict[str, Repository]:
    plain = [task.dataset.path for task in load_tasks().values() if task.dataset.layout == "sts"]
    found: dict[str, Repository] = {path: partial(_sts, path) for path in plain}
    return found | {
        "mteb/ARO-COCO-order": partial(_orders, "coco"),
        "mteb/ARO-Flickr-Order": partial(_orders, "flickr"),
        "mteb/ARO-Visual-Attribution": partial(_bindings, "attribution", ("colour", "shape")),
        "mteb/ARO-Visual-Relation": partial(_bindings, "relation", ("relation",)),
        "mteb/SUGARCREPE_fmt": _sugarcrepe,
        "facebook/winoground": _winoground,
        "Pixel-Linguist/rendered-sts17": _sts17,
        "Pixel-Linguist/rendered-stsb": _stsb,
    }
