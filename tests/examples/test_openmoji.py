"""The OpenMoji example, as its README tells: build, then run; no line of the plugin knows of it."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from pytest_mieb.suite.cards import read_card

EXAMPLE = Path(__file__).parents[2] / "examples" / "openmoji"
PICTURES = 120
LANGUAGES = ["ar", "de", "en", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh"]


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"openmoji_{name}", EXAMPLE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return loaded("build")


@pytest.fixture(scope="module")
def chance() -> ModuleType:
    return loaded("chance")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's first command writes, with a few pictures only."""
    out = tmp_path_factory.mktemp("openmoji")
    command = [sys.executable, "-Werror", str(EXAMPLE / "build.py"), str(out), f"--limit={PICTURES}"]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.fixture(autouse=True)
def model_within_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def readme_command(out: Path) -> list[str]:
    """The arguments of the `pytest` line of the README, for this folder and the model of chance."""
    lines = (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("pytest "))
    arguments = [argument.replace("OUT/", f"{out}/") for argument in shlex.split(line)[1:]]
    return ["--mieb-model=chance:model" if argument.startswith("--mieb-model=") else argument for argument in arguments]


def rows(out: Path, dataset: str, split: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(out / f"data/openmoji/{dataset}/data/{split}.parquet").to_pylist()
    return found


def pictures(found: Sequence[dict[str, Any]]) -> list[Image.Image]:
    return [Image.open(BytesIO(row["image"]["bytes"])).convert("RGB") for row in found]


def unit(vectors: Any) -> NDArray[np.float64]:
    array = np.asarray(vectors, dtype=np.float64)
    normalised: NDArray[np.float64] = array / np.linalg.norm(array, axis=1, keepdims=True)
    return normalised


def plain_ndcg_at_10(texts: Any, images: Any) -> float:
    """Text i finds image i: 1 / log2(rank + 1) if it is among the first ten, else 0."""
    cosine = unit(texts) @ unit(images).T
    ranks = 1 + (cosine > np.diag(cosine)[:, None]).sum(axis=1)
    return float(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean())


def test_readme_run_scores_both_tasks(
    build: ModuleType, built: Path, chance: ModuleType, pytester: pytest.Pytester
) -> None:
    run = pytester.runpytest_subprocess(*readme_command(built), "--mieb-cache=cache", "-Werror")
    assert run.ret == pytest.ExitCode.OK
    run.assert_outcomes(passed=2, deselected=130)

    results = pytester.path / "mieb-results" / "chance__model"
    retrieval = json.loads((results / "OpenMojiT2IRetrieval.json").read_text(encoding="utf-8"))
    assert list(retrieval["subsets"]) == LANGUAGES
    for language, score in retrieval["subsets"].items():
        found = rows(built, "names", language)
        expected = plain_ndcg_at_10(chance.noise([row["sentences"] for row in found]), chance.ink(pictures(found)))
        assert score == pytest.approx(expected, abs=1e-6), language
    assert len(set(retrieval["subsets"].values())) > 1
    assert retrieval["score"] == pytest.approx(np.mean(list(retrieval["subsets"].values())))

    zero_shot = json.loads((results / "OpenMojiZeroShot.json").read_text(encoding="utf-8"))
    labelled = rows(built, "kinds", "test")
    prompts = chance.noise([f"an emoji of a {name}." for name in build.CLASSES])
    predicted = (unit(chance.ink(pictures(labelled))) @ unit(prompts).T).argmax(axis=1)
    right = predicted == [row["label"] for row in labelled]
    assert right.any()
    assert zero_shot["score"] == pytest.approx(right.mean())
    with np.load(results / "OpenMojiZeroShot.npz") as outcomes:
        assert outcomes["default.outcomes"].tolist() == right.tolist()


def test_cards_state_what_was_written(built: Path) -> None:
    retrieval = read_card(built / "cards/retrieval/OpenMojiT2IRetrieval.yaml")
    zero_shot = read_card(built / "cards/zero_shot_classification/OpenMojiZeroShot.yaml")
    written = {language: rows(built, "names", language) for language in LANGUAGES}
    assert dict(retrieval.expected) == {language: 2 * len(found) for language, found in written.items()}
    assert dict(zero_shot.expected) == {"test": len(rows(built, "kinds", "test"))}
    assert retrieval.dataset.revision == zero_shot.dataset.revision
    assert len({row["image"]["bytes"] for row in written["en"]}) == len(written["en"]) <= PICTURES


def test_card_with_a_wrong_key_is_refused(built: Path, pytester: pytest.Pytester) -> None:
    out = shutil.copytree(built / "cards", pytester.path / "cards").parent
    pytester.mkdir("data")
    card = out / "cards/zero_shot_classification/OpenMojiZeroShot.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("license:", "licence:"), encoding="utf-8")
    run = pytester.runpytest_subprocess(*readme_command(out))
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"*{card}: licence: unknown key; the legal ones are name, category, *"])
    run.stderr.no_fnmatch_line("*Traceback*")


def test_pictures_are_opaque_on_white(build: ModuleType) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><rect x="1" width="1" height="2"/></svg>'
    png = build.draw(svg, 8)
    picture = Image.open(BytesIO(png)).convert("RGB")
    assert (picture.size, picture.getpixel((1, 4)), picture.getpixel((6, 4))) == ((8, 8), (255,) * 3, (0,) * 3)
    assert build.draw(svg, 8) == png


@pytest.mark.parametrize(
    ("name", "expected"),
    [(":red_heart:", "red heart"), (":cœur_rouge:", "cœur rouge"), (":赤いハート:", "赤いハート")],
)
def test_cleaned(build: ModuleType, name: str, expected: str) -> None:
    assert build.cleaned(name) == expected


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("red heart", "heart"),
        ("eight-thirty", "clock"),
        ("ten o’clock", "clock"),
        ("woman raising hand", None),
        ("heart with arrow", None),
        ("France", None),
    ],
)
def test_kind(build: ModuleType, english: str, expected: str | None) -> None:
    assert build.kind(english) == expected


@pytest.mark.parametrize(("limit", "expected"), [(None, "abcdef"), (9, "abcdef"), (3, "ace"), (4, "abde"), (1, "a")])
def test_spread(build: ModuleType, limit: int | None, expected: str) -> None:
    assert build.spread(list("abcdef"), limit) == list(expected)
