"""The 130 cards, and every sentence with which a card is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pytest_mieb import protocols
from pytest_mieb.data import layouts
from pytest_mieb.protocols import needs
from pytest_mieb.suite import CATEGORIES, SUITES, Task
from pytest_mieb.suite.cards import CardError, load_tasks, read_card
from pytest_mieb.support.packaged import packaged
from tests.builders import a_task

CARD = """\
name: Birds
category: clustering
suites: [lite, eng]
modalities: i2c
protocol: clustering
metric: nmi
dataset:
  path: org/birds
  revision: abc123
  layout: labelled
  split: test
  image: img
  label: species
languages: [eng-Latn]
"""
ZERO_SHOT = CARD.replace("protocol: clustering", "protocol: zero_shot").replace("nmi", "accuracy") + (
    "scoring:\n  template: a photo of a {label}.\n  labels: class names\n"
)
PROBE = CARD.replace("protocol: clustering", "protocol: linear_probe").replace("nmi", "accuracy").replace(
    "  split: test\n", "  split: test\n  train_split: train\n"
) + ("scoring:\n  n_experiments: 5\n  samples_per_label: 16\n")
RETRIEVAL = """\
name: Birds
category: retrieval
modalities: i2i
protocol: retrieval
metric: ndcg_at_10
dataset: {path: org/birds, revision: abc123, layout: beir}
languages: [eng-Latn]
"""
STS = """\
name: Birds
category: visual_sts
modalities: i2i
protocol: sts
metric: cosine_spearman
dataset: {path: org/birds, revision: abc123, layout: sts, split: test, images: [one, two], score: score}
subsets:
  en: [eng-Latn]
  'no': [nob-Latn]
"""


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return load_tasks()


def read(folder: Path, text: str, name: str = "Birds") -> Task:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return read_card(path)


def test_the_suite_has_the_130_tasks_of_mieb(tasks: dict[str, Task]) -> None:
    assert len(tasks) == 130
    assert Counter(task.category for task in tasks.values()) == {
        "retrieval": 48,
        "document_understanding": 10,
        "linear_probing": 22,
        "clustering": 5,
        "zero_shot_classification": 23,
        "compositionality": 7,
        "vision_centric_qa": 6,
        "visual_sts": 9,
    }
    assert Counter(task.protocol for task in tasks.values()) == {
        "retrieval": 58,
        "linear_probe": 21,
        "multilabel_linear_probe": 1,
        "clustering": 5,
        "zero_shot": 23,
        "pair_classification": 7,
        "multiple_choice": 6,
        "sts": 9,
    }


def test_markers_are_the_category_and_the_suites(tasks: dict[str, Task]) -> None:
    counts = Counter(marker for task in tasks.values() for marker in task.markers)
    assert (counts["lite"], counts["eng"], counts["multilingual"]) == (51, 125, 5)
    assert set(counts) == {*CATEGORIES, *SUITES}
    assert tasks["STL10ZeroShot"].markers == ("zero_shot_classification", "eng")


def test_every_task_is_either_english_or_multilingual(tasks: dict[str, Task]) -> None:
    assert all(("eng" in task.suites) != ("multilingual" in task.suites) for task in tasks.values())


def test_tasks_come_category_by_category_and_by_name_within_one(tasks: dict[str, Task]) -> None:
    keys = [(CATEGORIES.index(task.category), task.name.lower()) for task in tasks.values()]
    assert keys == sorted(keys)


def test_a_card_lies_in_the_folder_of_its_category(tasks: dict[str, Task]) -> None:
    assert {task.file for task in tasks.values() if task.file.parent.name != task.category} == set()


def test_every_card_pins_a_full_revision_and_names_licence_and_source(tasks: dict[str, Task]) -> None:
    for task in tasks.values():
        assert len(task.dataset.revision) == 40, task.name
        assert task.license and task.reference and task.languages, task.name


@pytest.mark.parametrize(
    ("name", "fact", "value"),
    [
        ("CUB200I2IRetrieval", "scoring", {"skip_first_result": True}),
        ("CIRRIT2IRetrieval", "metric", "ndcg_at_10"),
        ("CVBenchCount", "metric", "accuracy"),
        ("Birdsnap", "scoring", {"n_experiments": 5, "samples_per_label": 16}),
        ("VOC2007", "scoring", {"n_experiments": 5, "samples_per_label": 8}),
        ("VOC2007", "metric", "lrap"),
    ],
)
def test_facts_of_known_tasks(tasks: dict[str, Task], name: str, fact: str, value: object) -> None:
    assert getattr(tasks[name], fact) == value


def test_the_corrupt_row_of_birdsnap_is_dropped(tasks: dict[str, Task]) -> None:
    assert tasks["Birdsnap"].dataset.options["drop_train_rows"] == (3854,)


def test_norwegian_is_a_name_and_no_boolean(tasks: dict[str, Task]) -> None:
    with_norwegian = {name for name, task in tasks.items() if "no" in task.subsets}
    assert with_norwegian == {"XM3600T2IRetrieval"}


def test_a_task_without_subsets_has_the_one_called_default(tmp_path: Path) -> None:
    task = read(tmp_path, CARD)
    assert dict(task.subsets) == {"default": ("eng-Latn",)}
    assert (task.suites, task.languages, task.instruction, dict(task.expected)) == (
        ("lite", "eng"),
        ("eng-Latn",),
        None,
        {},
    )
    assert dict(task.dataset.options) == {"split": "test", "image": "img", "label": "species"}


def test_subsets_keep_their_order_and_their_languages(tmp_path: Path) -> None:
    task = read(tmp_path, STS)
    assert list(task.subsets.items()) == [("en", ("eng-Latn",)), ("no", ("nob-Latn",))]
    assert task.languages == ("eng-Latn", "nob-Latn")


@pytest.mark.parametrize(
    ("modalities", "protocol", "expected"),
    [
        ("t2i", "retrieval", {"image", "text"}),
        ("i2i", "retrieval", {"image"}),
        ("t2t", "retrieval", {"text"}),
        ("it2t", "multiple_choice", {"image", "text"}),
        ("i2c", "linear_probe", {"image"}),
        ("i2c", "clustering", {"image"}),
        ("i2i", "sts", {"image"}),
        ("i2c", "zero_shot", {"image", "text"}),
        ("i2t", "pair_classification", {"image", "text"}),
    ],
)
def test_a_task_needs_the_modalities_that_it_embeds(modalities: str, protocol: str, expected: set[str]) -> None:
    assert needs(a_task(modalities=modalities, protocol=protocol)) == expected


def changed(card: str, *replacements: tuple[str, str]) -> str:
    for old, new in replacements:
        assert old in card
        card = card.replace(old, new)
    return card


REFUSED = {
    "unknown top key": (CARD + "colour: red\n", "colour: unknown key; the legal ones are name, category, suites"),
    "missing name": (changed(CARD, ("name: Birds\n", "")), "name: missing; add it"),
    "missing dataset": (
        "name: Birds\ncategory: clustering\nmodalities: i2c\nprotocol: clustering\nmetric: nmi\n",
        "dataset: missing; add it",
    ),
    "name is not the file's": (
        changed(CARD, ("name: Birds", "name: Bees")),
        "name: 'Bees' differs from the file's name; call one as the other",
    ),
    "name is no text": (changed(CARD, ("name: Birds", "name: 7")), "name: 7 is not text; write text"),
    "category": (
        changed(CARD, ("category: clustering", "category: birds")),
        "category: 'birds' is not legal; use one of: retrieval, document_understanding",
    ),
    "modalities": (changed(CARD, ("i2c", "i2x")), "modalities: 'i2x' is not legal; use one of: i2c, i2i"),
    "protocol": (
        changed(CARD, ("protocol: clustering", "protocol: magic")),
        "protocol: 'magic' is not legal; use one of: linear_probe",
    ),
    "download": (f"{CARD}download: much", "download: 'much' is not a size; write it as 20.1 GB"),
    "suite": (changed(CARD, ("[lite, eng]", "[light]")), "suites: 'light' is not legal; use one of: lite, eng"),
    "suites are no list": (changed(CARD, ("[lite, eng]", "lite")), "suites: 'lite' is not a list; write a list"),
    "metric of another protocol": (
        changed(CARD, ("nmi", "accuracy")),
        "metric: 'accuracy' is not legal; use one of: nmi, v_measure, ari",
    ),
    "metric of no cut-off": (
        changed(RETRIEVAL, ("ndcg_at_10", "ndcg_at_7")),
        "metric: 'ndcg_at_7' is not a retrieval metric; write one like ndcg_at_10 or hit_rate_at_1",
    ),
    "layout missing": (
        changed(RETRIEVAL, (", layout: beir", "")),
        "dataset.layout: missing; use one of: labelled, sts",
    ),
    "layout": (
        changed(RETRIEVAL, ("layout: beir", "layout: bear")),
        "dataset.layout: 'bear' is not legal; use one of: labelled",
    ),
    "layout of another protocol": (
        changed(RETRIEVAL, ("layout: beir", "layout: sts")),
        "dataset.layout: the protocol retrieval does not read 'sts'; use one of: beir, vidore",
    ),
    "unknown dataset key": (
        changed(RETRIEVAL, ("layout: beir", "layout: beir, split: test")),
        "dataset.split: unknown key; the legal ones are path, revision, layout",
    ),
    "dataset key missing": (changed(CARD, ("  label: species\n", "")), "dataset.label: missing; add it"),
    "path": (
        changed(CARD, ("org/birds", "birds")),
        "dataset.path: 'birds' is not a dataset repository; write it as org/name",
    ),
    **{
        f"path {path}": (changed(CARD, ("org/birds", path)), f"dataset.path: '{path}' is not a dataset repository;")
        for path in (
            "../birds",
            "org/..",
            "./birds",
            "org/.",
            "/org/birds",
            "org/birds/more",
            "org//birds",
            "org birds/a",
        )
    },
    **{
        f"revision {revision}": (changed(CARD, ("abc123", revision)), f"dataset.revision: {sentence}")
        for revision, sentence in (
            ("''", "empty; write it"),
            ("' '", "empty; write it"),
            ("a b", "'a b' is no commit, tag or branch; write the pinned commit"),
            ("..", "'..' is no commit, tag or branch"),
        )
    },
    "aliases": (CARD + "notes: &a x\nlicense: *a\n", "line 16: *a is an alias; write out what it stands for"),
    "notes in a list": (CARD + "notes: [[a, b], c]\n", "notes: (['a', 'b'], 'c') is not text; write text"),
    "notes that are long": (CARD + f"notes: [{'x' * 9999}]\n", "notes: ('xxxx"),
    "a split that is empty": (changed(CARD, ("split: test", "split: ''")), "dataset.split: empty; write it"),
    "a key that is long": (CARD + f"{'k' * 99}: 1\n", f"{'k' * 60} ...: unknown key"),
    "revision unquoted": (
        changed(CARD, ("abc123", "123456")),
        "dataset.revision: 123456 is not text; write text",
    ),
    "train split missing": (
        changed(PROBE, ("  train_split: train\n", "")),
        "dataset.train_split: missing; the protocol linear_probe needs it",
    ),
    "one sts column": (
        changed(STS, ("[one, two]", "[one]")),
        "dataset.images: ['one'] is a list of 1; name exactly 2",
    ),
    "flag is no flag": (
        RETRIEVAL + "scoring: {skip_first_result: 1}\n",
        "scoring.skip_first_result: 1 is not true or false; write true or false",
    ),
    "scoring of another protocol": (
        RETRIEVAL + "scoring: {template: x}\n",
        "scoring.template: unknown key; the legal ones are skip_first_result",
    ),
    "scoring of a protocol without any": (
        CARD + "scoring: {template: x}\n",
        "scoring.template: unknown key; the legal ones are none",
    ),
    "scoring missing": (
        changed(PROBE, ("  n_experiments: 5\n", "")),
        "scoring.n_experiments: missing; add it",
    ),
    "scoring below 1": (
        changed(PROBE, ("n_experiments: 5", "n_experiments: 0")),
        "scoring.n_experiments: 0 is below 1; write a whole number above 0",
    ),
    "scoring is true": (
        changed(PROBE, ("samples_per_label: 16", "samples_per_label: true")),
        "scoring.samples_per_label: True is not a whole number; write a whole number",
    ),
    "template without label": (
        changed(ZERO_SHOT, ("{label}", "bird")),
        "scoring.template: holds no {label}; say where the class name goes",
    ),
    "labels": (
        changed(ZERO_SHOT, ("class names", "names")),
        "scoring.labels: 'names' is not legal; use one of: class names, scene names",
    ),
    "labels are numbers": (
        changed(ZERO_SHOT, ("labels: class names", "labels: [1, 2]")),
        "scoring.labels: (1, 2) is not a list of texts; write it as [first, second]",
    ),
    "labels that differ from themselves": (
        changed(ZERO_SHOT, ("labels: class names\n", "labels: class names\n  labels_differ: true\n")) + "notes: why\n",
        "scoring.labels_differ: the labels are the column's class names; leave it out",
    ),
    "labels that differ for no reason": (
        changed(ZERO_SHOT, ("labels: class names\n", "labels: [a, b]\n  labels_differ: true\n")),
        "scoring.labels_differ: say in `notes` why the labels are not the column's classes",
    ),
    "no labels": (
        changed(ZERO_SHOT, ("labels: class names", "labels: []")),
        "scoring.labels: () is not a list of texts; write it as [first, second]",
    ),
    "neither languages nor subsets": (
        changed(CARD, ("languages: [eng-Latn]\n", "")),
        "languages: give either languages, or subsets with the languages of each",
    ),
    "languages and subsets": (
        STS + "languages: [eng-Latn]\n",
        "languages: give either languages, or subsets with the languages of each",
    ),
    "no subset": (
        changed(CARD, ("languages: [eng-Latn]\n", "subsets: {}\n")),
        "subsets: empty; name at least one subset with its languages",
    ),
    "subset is no text": (
        changed(STS, ("'no'", "no")),
        "subsets: False is not text; put the subset's name in quotes",
    ),
    "languages of a subset": (
        changed(STS, ("[nob-Latn]", "nob-Latn")),
        "subsets.no: 'nob-Latn' is not a list of texts; write it as [first, second]",
    ),
    "expected of no text": (
        CARD + "expected: {no: 3}\n",
        "expected: False is not text; put the name in quotes",
    ),
    "expected below 1": (
        CARD + "expected: {test: 0}\n",
        "expected.test: 0 is not a number of rows; write a whole number above 0",
    ),
    "expected is true": (
        CARD + "expected: {test: yes}\n",
        "expected.test: True is not a number of rows; write a whole number above 0",
    ),
    "expected is a text": (
        CARD + "expected: {test: many}\n",
        "expected.test: 'many' is not a number of rows; write a whole number above 0",
    ),
    "list instead of mapping": ("- name: Birds\n", "a card is a mapping of keys to values; start with 'name: ...'"),
    "nothing": ("", "a card is a mapping of keys to values; start with 'name: ...'"),
    "broken YAML": ("name: Birds\nsuites: [lite\ncategory: x\n", "not valid YAML at line 3; correct it"),
    "a day that is none": (CARD + "license: 2024-13-45\n", "line 15: license: 2024-13-45 is no day"),
    "a key that stands twice": (
        CARD + "metric: ari\n",
        "line 15: metric stands there twice, first in line 6; keep one of the two",
    ),
    "a conflict that git left": (
        changed(CARD, ("metric: nmi\n", "<<<<<<< HEAD\nmetric: nmi\n")),
        "line 6: '<<<<<<< HEAD' was left by a merge in git; resolve the conflict",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_card_names_file_key_and_remedy(tmp_path: Path, case: str) -> None:
    text, sentence = REFUSED[case]
    with pytest.raises(CardError) as refusal:
        read(tmp_path, text)
    assert str(refusal.value).startswith(f"{tmp_path / 'Birds.yaml'}: {sentence}")


def test_a_card_of_other_bytes_than_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Birds.yaml"
    path.write_bytes(b"notes: \xff\xfe\n")
    with pytest.raises(CardError, match=r"cannot be read as text \(UnicodeDecodeError\); restore it"):
        read_card(path)


def test_a_further_folder_adds_its_tasks_after_the_packaged_ones(tmp_path: Path) -> None:
    read(tmp_path, CARD)
    assert list(load_tasks([tmp_path]))[130:] == ["Birds"]


def test_a_folder_without_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no task card"):
        load_tasks([tmp_path])


def test_two_cards_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        read(tmp_path / folder, CARD)
    with pytest.raises(CardError) as refusal:
        load_tasks([tmp_path])
    one, two = tmp_path / "one" / "Birds.yaml", tmp_path / "two" / "Birds.yaml"
    assert str(refusal.value) == f"{two}: name: 'Birds' is taken by {one}; choose another name"


def test_every_protocol_reads_some_layout_and_every_layout_is_read_by_one() -> None:
    takes = {protocol.takes for protocol in protocols.known().values()}
    assert takes == {layout.gives for layout in layouts.known().values()}


def test_packaged_folders_hold_the_cards_and_the_baselines() -> None:
    assert packaged("tasks").is_dir() and packaged("baselines").is_dir()


@pytest.mark.parametrize("text", [CARD, ZERO_SHOT, PROBE, RETRIEVAL, STS])
def test_the_cards_that_the_refusals_start_from_are_sound(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).name == "Birds"


def test_the_size_of_a_dataset_is_that_of_its_card(tmp_path: Path) -> None:
    (tmp_path / "Birds.yaml").write_text(f"{CARD}download: 20.1 GB\n")
    assert read_card(tmp_path / "Birds.yaml").download == 20.1e9
    tasks = load_tasks()
    assert tasks["Imagenet1k"].download == tasks["Imagenet1kZeroShot"].download == 156e9
    assert tasks["STL10"].download == 0
