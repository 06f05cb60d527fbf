"""The tests' own suite: eight tasks on datasets of a few dozen coloured pictures, laid out as the hub lays them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import datasets
from PIL import Image

from tests.plugin.factories.toymodels import COLOURS, LANGUAGES

NAMES = tuple(COLOURS)
PAIRS = tuple(permutations(NAMES, 2))
LEFT_RIGHT = {"en": "{} left, {} right", "de": "{} links, {} rechts", "fr": "{} à gauche, {} à droite"}
LABELS = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))}

# In the order in which they run: by category, then by name.
TASKS = ("ToyLanguages", "ToyProbe", "ToyClustering", "ToyShades", "ToyZeroShot", "ToyPairs", "ToyChoice", "ToySTS")
OF_COLOURS = ("ToyProbe", "ToyClustering", "ToyShades", "ToyZeroShot")
# The one category of two tasks, and so the one mean.
MEAN = "zero_shot_classification"
OF_IMAGES_ONLY = ("ToyProbe", "ToyClustering", "ToySTS")
BROKEN = ("ToyNoDataset", "ToyNoColumn")

_LABELLED = "{path: toy/colours, layout: labelled, split: test, image: image, label: label"
CARDS: Mapping[str, Mapping[str, str]] = {
    "ToyLanguages": {
        "category": "retrieval",
        "modalities": "t2i",
        "protocol": "retrieval",
        "metric": "hit_rate_at_1",
        "dataset": "{path: toy/languages, layout: captioned_images_per_language",
        "subsets": "{en: [eng-Latn], de: [deu-Latn], fr: [fra-Latn]}",
    },
    "ToyProbe": {
        "category": "linear_probing",
        "modalities": "i2c",
        "protocol": "linear_probe",
        "metric": "accuracy",
        "dataset": f"{_LABELLED}, train_split: train",
        "scoring": "{n_experiments: 2, samples_per_label: 4}",
    },
    "ToyClustering": {
        "category": "clustering",
        "modalities": "i2c",
        "protocol": "clustering",
        "metric": "nmi",
        "dataset": _LABELLED,
    },
    "ToyZeroShot": {
        "category": "zero_shot_classification",
        "modalities": "i2t",
        "protocol": "zero_shot",
        "metric": "accuracy",
        "dataset": _LABELLED,
        "scoring": "{template: 'a picture in {label}', labels: class names}",
        "expected": "{test: 64}",
    },
    "ToyShades": {
        "category": "zero_shot_classification",
        "modalities": "i2t",
        "protocol": "zero_shot",
        "metric": "accuracy",
        "dataset": _LABELLED,
        "scoring": "{template: '{label}', labels: class names}",
    },
    "ToyPairs": {
        "category": "compositionality",
        "modalities": "i2t",
        "protocol": "pair_classification",
        "metric": "text_acc",
        "dataset": "{path: toy/pairs, layout: pairs, split: test, images: [image], texts: [caption, negative]",
    },
    "ToyChoice": {
        "category": "vision_centric_qa",
        "modalities": "it2t",
        "protocol": "multiple_choice",
        "metric": "accuracy",
        "dataset": "{path: toy/choice, layout: cv_bench, split: test, task: Colour",
    },
    "ToySTS": {
        "category": "visual_sts",
        "modalities": "i2i",
        "protocol": "sts",
        "metric": "cosine_spearman",
        "dataset": "{path: toy/sts, layout: sts, split: test, images: [sentence1, sentence2], score: score",
    },
}
BROKEN_CARDS: Mapping[str, Mapping[str, str]] = {
    "ToyNoDataset": {**CARDS["ToySTS"], "dataset": CARDS["ToySTS"]["dataset"].replace("toy/sts", "toy/absent")},
    "ToyNoColumn": {**CARDS["ToyClustering"], "dataset": _LABELLED.replace("label: label", "label: colour")},
}


def write_cards(folder: Path, cards: Mapping[str, Mapping[str, str]]) -> Path:
    folder.mkdir(parents=True)
    for name, card in cards.items():
        keys = {"name": name, "languages": "[eng-Latn]"} | dict(card)
        if "subsets" in keys:
            del keys["languages"]
        keys["dataset"] += ", revision: main}"
        text = "".join(f"{key}: {value}\n" for key, value in keys.items())
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def write_mirror(folder: Path) -> Path:
    random = Random(7)
    write_colours(folder, random, train=6, test=8)
    write_table(
        folder / "toy/languages",
        {language: list(_captioned(random, language, PAIRS[:24])) for language in LANGUAGES},
        datasets.Features(
            {
                "image_id": datasets.Value("string"),
                "image": datasets.Image(),
                "captions": datasets.List(datasets.Value("string")),
            }
        ),
    )
    write_table(
        folder / "toy/pairs",
        {
            "test": [
                {
                    "image": picture(random, left, right),
                    "caption": f"on the left {left} , on the right {right}",
                    "negative": f"on the left {right} , on the right {left}",
                }
                for left, right in PAIRS[24:48]
            ]
        },
        datasets.Features(
            {"image": datasets.Image(), "caption": datasets.Value("string"), "negative": datasets.Value("string")}
        ),
    )
    write_table(
        folder / "toy/choice",
        {"test": [_question(random, number) for number in range(24)]},
        datasets.Features(
            {
                "task": datasets.Value("string"),
                "image": datasets.Image(),
                "question": datasets.Value("string"),
                "choices": datasets.List(datasets.Value("string")),
                "answer": datasets.Value("string"),
            }
        ),
    )
    write_sts(folder, random)
    return folder


def write_colours(folder: Path, random: Random, **copies: int) -> None:
    """So many pictures of every colour in each split."""
    splits = {split: _labelled(random, number) for split, number in copies.items()}
    write_table(folder / "toy/colours", splits, datasets.Features(LABELS))


def write_sts(folder: Path, random: Random) -> None:
    write_table(
        folder / "toy/sts",
        {"test": [_scored_pair(random, number) for number in range(24)]},
        datasets.Features(
            {"sentence1": datasets.Image(), "sentence2": datasets.Image(), "score": datasets.Value("float64")}
        ),
    )


def spoil(mirror: Path, dataset: str, split: str, row: int, column: str, change: Callable[[bytes], bytes]) -> None:
    """Put another file in the place of one picture."""
    file = mirror / dataset / f"{split}.parquet"
    table = datasets.Dataset.from_parquet(str(file), cache_dir=str(mirror / "cache"))
    pictures = table.cast_column(column, datasets.Image(decode=False))[column][:]
    pictures[row]["bytes"] = change(pictures[row]["bytes"])
    spoiled = table.remove_columns(column).add_column(column, pictures)
    spoiled.cast(table.features).to_parquet(str(file))


def picture(random: Random, left: str, right: str | None = None, side: int = 16) -> Image.Image:
    """The left half in one colour, the right half in the other; no two pictures are the same."""
    image = Image.new("RGB", (side, side), COLOURS[left])
    image.paste(COLOURS[right or left], (side // 2, 0, side, side))
    for _ in range(side):
        place = random.randrange(side), random.randrange(side)
        image.putpixel(place, tuple(random.randrange(256) for _ in range(3)))
    return image


def _labelled(random: Random, copies: int) -> list[dict[str, Any]]:
    return [{"image": picture(random, name), "label": name} for _ in range(copies) for name in NAMES]


def _captioned(random: Random, language: str, pairs: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    names = dict(zip(NAMES, LANGUAGES[language], strict=True))
    for number, (left, right) in enumerate(pairs):
        caption = LEFT_RIGHT[language].format(names[left], names[right])
        yield {"image_id": f"{language}-{number}", "image": picture(random, left, right), "captions": [caption]}


def _question(random: Random, number: int) -> dict[str, Any]:
    answer = number % 4
    choices = random.sample(NAMES, 4)
    return {
        "task": "Colour",
        "image": picture(random, choices[answer]),
        "question": f"picture {number}: which colour is it?",
        "choices": choices,
        "answer": f"({'ABCD'[answer]})",
    }


def _scored_pair(random: Random, number: int) -> dict[str, Any]:
    left, right, other = random.sample(NAMES, 3)
    same = number % 3
    second = (left if same else other, right if same == 2 else other)
    return {
        "sentence1": picture(random, left, right),
        "sentence2": picture(random, *second),
        "score": 2.0 * same + random.random(),
    }


def write_table(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]], features: datasets.Features) -> None:
    folder.mkdir(parents=True)
    head = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, rows in splits.items():
        head += [f'  - split: "{split}"', f"    path: {split}.parquet"]
        columns = {name: [row[name] for row in rows] for name in features}
        datasets.Dataset.from_dict(columns, features).to_parquet(folder / f"{split}.parquet")
    (folder / "README.md").write_text("\n".join([*head, "---", ""]), encoding="utf-8")
