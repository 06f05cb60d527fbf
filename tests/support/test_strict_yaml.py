"""Files that say two things at once, each refused by its line and key."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from pytest_mieb.support.packaged import packaged
from pytest_mieb.support.strict_yaml import YamlError, load

SOUND = """\
model: m
common: &common {examples: 5e, run: 1a}
tasks:
  A: {<<: {examples: 5e, run: 1a}, score: 0.5, run: 2b}
  'no': {score: 1.0}
  B:
    subsets: {12: [a, a], '13': [b]}
    accepted: {until: 2027-03-01, reason: "==== <<<<<<< ===="}
    notes: |
      <<<<<<< indented, so no marker
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "some.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_says_one_thing_reads_as_any_yaml(tmp_path: Path) -> None:
    content = load(written(tmp_path, SOUND))
    assert content == yaml.safe_load(SOUND)
    assert content["tasks"]["A"] == {"examples": "5e", "run": "2b", "score": 0.5}  # a merged key may be overridden
    assert content["tasks"]["B"]["accepted"]["until"] == date(2027, 3, 1)
    assert load(written(tmp_path, "")) is None


@pytest.mark.parametrize("loader", ["C", "Python"])
def test_the_packages_files_are_sound_by_either_loader(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if loader == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader")
    for path in (packaged("baselines") / "miniature.yaml", packaged("tasks") / "clustering" / "CIFAR10Clustering.yaml"):
        assert load(path) == yaml.safe_load(path.read_text(encoding="utf-8"))


OURS, THEIRS = "  A: {score: 0.5}\n", "  A: {score: 0.6}\n"
REFUSED = {
    "a key that stands twice": (
        "tasks:\n  A: {score: 0.5}\n  B: {score: 0.5}\n  A: {score: 0.01}\n",
        "line 4: tasks.A stands there twice, first in line 2; keep one of the two",
    ),
    "at the top": ("model: a\ntasks: {}\nmodel: b\n", "line 3: model stands there twice, first in line 1"),
    "in one line": ("tasks: {A: {score: 0.5, score: 0.01}}", "line 1: tasks.A.score stands there twice"),
    "once in quotes": ("tasks:\n  'A': {}\n  \"A\": {}\n", "line 3: tasks.A stands there twice, first in line 2"),
    "as a number and as text": ("subsets: {12: {}, '12': {}}", "line 1: subsets.12 stands there twice"),
    "in a list": ("a:\n- {b: 1}\n- {b: 1, b: 2}\n", "line 3: a.b stands there twice, first in line 3"),
    "under an anchor": ("a: &a {b: 1, b: 2}\n", "line 1: a.b stands there twice"),
    "what is merged": ("b: {<<: {x: 1}, <<: {x: 2}}\n", "line 1: b.<< stands there twice"),
    "an alias": ("a: &a {b: 1}\nc: *a\n", "line 2: *a is an alias; write out what it stands for"),
    "an alias that is merged": ("a: &a {b: 1}\nc:\n  <<: *a\n", "line 3: *a is an alias; write out what it"),
    "a bomb": (
        "\n".join(["a0: &a0 lol", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30))]),
        "line 2: *a0 is an alias",
    ),
    "itself": ("a: &a [*a]\n", "line 1: *a is an alias"),
    "lists in lists": ("[" * 33 + "]" * 33, "line 1: lists or mappings lie more than 32 deep in each other; flatten"),
    "mappings in mappings": ("\n".join(" " * n + "a:" for n in range(40)), "line 33: lists or mappings lie more than"),
    "thousands of lists": ("[" * 50_000 + "]" * 50_000, ""),
    "long names": (f"? {'x' * 500}\n: {{a: 1, a: 2}}\n", f"line 2: {'x' * 60} ....a stands there twice"),
    "two sides of a merge": (
        f"tasks:\n<<<<<<< HEAD\n{OURS}=======\n{THEIRS}>>>>>>> exp7\n",
        "line 2: '<<<<<<< HEAD' was left by a merge in git; resolve the conflict",
    ),
    "three sides of a merge": (
        f"tasks:\n{OURS}||||||| 1a2b3c\n{OURS}=======\n{THEIRS}",
        "line 3: '||||||| 1a2b3c' was left by a merge in git",
    ),
    "a marker alone": (f"tasks:\n{OURS}=======\n", "line 3: '=======' was left by a merge in git"),
    "the end of a conflict": (f"tasks:\n{OURS}>>>>>>> exp7\n", "line 3: '>>>>>>> exp7' was left by a merge in git"),
    "a merge of lines that end otherwise": ("tasks:\r\n<<<<<<< HEAD\r\n", "line 2: '<<<<<<< HEAD' was left by a merge"),
    "a day that is none": (
        "tasks:\n  A:\n    accepted: {until: 2027-02-30}\n",
        "line 3: tasks.A.accepted.until: 2027-02-30 is no day; write one such as 2027-03-01",
    ),
    "an open bracket": ("a: 1\ntasks: [1\nb: 2\n", "not valid YAML at line 3"),
    "two documents": ("a: 1\n---\nb: 2\n", "not valid YAML at line 2"),
    "a tag": ("a: !!python/object:os.system {}\n", "not valid YAML at line 1"),
    "a list as a key": ("? [a]\n: b\n", "not valid YAML at line 1"),
    "beside a list as a key": ("? [a]\n: 1\nb: 1\nb: 2\n", "line 4: b stands there twice, first in line 3"),
    "a day by its tag": ("a: !!timestamp foo\n", "not valid YAML"),
    "a truth by its tag": ("a: !!bool foo\n", "not valid YAML"),
    "a number by its tag": ("a: !!int ''\n", "not valid YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("loader", ["C", "Python"])
def test_what_says_two_things_is_refused(
    tmp_path: Path, case: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loader == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader")
    text, sentence = REFUSED[case]
    with pytest.raises(YamlError) as refusal:
        load(written(tmp_path, text))
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("content", [b"model: \xff\n", None])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "some.yaml"
    if content:
        path.write_bytes(content)
    with pytest.raises(YamlError, match="cannot be read as text"):
        load(path)
