"""The command `pytest-mieb`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mieb import __version__
from pytest_mieb.cli import main
from pytest_mieb.models.loading.registry import MODELS
from tests.stored_runs import a_run

WITHOUT_HEAVY_IMPORTS = """
import sys
from pytest_mieb.cli import main
code = main(["models", "dinov2"])
heavy = sorted({"torch", "transformers", "datasets", "sklearn"} & set(sys.modules))
sys.exit(f"imported {heavy}" if heavy else code)
"""


def test_all_models_are_listed_in_one_aligned_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [model.name for model in MODELS]
    assert {len(line) for line in lines} == {len(heading)}
    for column in ("FAMILY", "REVISION", "DTYPE", "MODALITIES"):
        start = heading.index(column)
        assert all(line[start - 2 : start] == "  " and line[start] != " " for line in lines), column


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("openai/clip-vit-base-patch32", ["dual_encoder", "3d74acf9a28c", "float32", "image, text", "151 M"]),
        ("Alibaba-NLP/gme-Qwen2-VL-7B-Instruct", ["gme", "477027a6480f", "float16", "interleaved", "7,746 M"]),
        ("voyageai/voyage-multimodal-3", ["voyage", " - ", "float32", "interleaved", " -"]),
    ],
)
def test_a_row_says_what_loads(name: str, cells: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", name]) == 0
    _, row = capsys.readouterr().out.splitlines()
    places = [row.rindex(cell) if cell == " -" else row.index(cell) for cell in cells]
    assert places == sorted(places)
    assert row.endswith(cells[-1])


@pytest.mark.parametrize(
    ("text", "count"),
    [("SIGLIP", 10), ("blip2", 2), ("bfloat16", 2), ("float16", 4), ("laion/", 8), ("interleaved", 10)],
)
def test_the_filter_looks_at_name_family_dtype_and_modalities(
    text: str, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", text]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + count


def test_what_matches_nothing_fails_and_names_near_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "openai/clip-vit-base-patch3"]) == 0
    capsys.readouterr()
    assert main(["models", "openai/clip-vit-base-patch23"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert (
        "none of the 52 models matches 'openai/clip-vit-base-patch23'; did you mean openai/clip-vit-base-patch32" in err
    )
    assert main(["models", "zzzzzz"]) == 1
    assert capsys.readouterr().err == "pytest-mieb models: none of the 52 models matches 'zzzzzz'\n"


@pytest.mark.parametrize(
    "arguments", [[], ["model"], ["models", "a", "b"], ["--nonsense"], ["compare", "a"], ["show", "a", "b"]]
)
def test_a_wrong_command_exits_with_4_and_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 4
    assert "usage: pytest-mieb" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"pytest-mieb {__version__}\n"


def test_it_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_HEAVY_IMPORTS], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "facebook/dinov2-giant" in run.stdout


def test_a_reader_that_stops_is_no_error() -> None:
    command = [sys.executable, "-m", "pytest_mieb.cli", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as run:
        assert run.stdout and run.stderr
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait() == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a run, a worse one and one that lacks a task have left results."""
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "good", {"CIFAR10ZeroShot": 0.9, "DTDZeroShot": 0.7})
    a_run(tmp_path / "worse", {"CIFAR10ZeroShot": 0.8, "DTDZeroShot": 0.7})
    a_run(tmp_path / "partial", {"CIFAR10ZeroShot": 0.9})
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("good good", 0),
        ("worse good", 0),
        ("good worse", 1),
        ("good worse --tolerance 20", 0),
        ("good worse --tolerance 20 --tolerance CIFAR10ZeroShot=1", 1),
        ("good worse --select DTDZeroShot", 0),
        ("good good --policy non-inferiority", 0),
        ("good partial", 0),
        ("good partial --select zero_shot_classification", 6),
        ("good partial --select CIFAR10ZeroShot,DTDZeroShot", 6),
        ("partial good", 6),
        ("partial worse", 1),
    ],
)
@pytest.mark.usefixtures("here")
def test_comparing_exits_as_a_run_does(arguments: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *arguments.split()]) == code
    lines = capsys.readouterr().out.splitlines()
    state = {0: "passed", 1: "regressed", 6: "incomplete"}[code]
    assert any(line.startswith(f"{state}: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("goof good", "goof is no results folder"),
        ("good openai/clip-vit-base-patch32", "good was measured on miniature data, openai/clip-vit-base-patch32 on"),
        ("good good --tolerance x", "--tolerance=x: give points"),
        ("good good --tolerance CIFAR=1", "--tolerance=CIFAR=...: no category or task 'CIFAR'"),
        ("good good --alpha 2", "--alpha=2: give a share"),
        ("good good --policy x", "--policy=x: legal are"),
        ("good good --select x", "--select=x: no suite"),
        ("good good --tasks good", "no task card"),
        ("good good --junit nowhere/a.xml", "nowhere/a.xml: cannot be written (No such file or directory)"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_compared_exits_with_4_and_a_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments.split()]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("pytest-mieb compare: ") and sentence in err


def test_markdown_before_the_sides_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["compare", "--markdown", "good", "worse"])
    assert exit_.value.code == 4
    assert "required: B; a name right after --markdown is its FILE" in capsys.readouterr().err


def test_the_verdict_goes_into_files(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--markdown=a.md", "--junit", "a.xml", "--json", "a.json"]
    assert main(["compare", "good", "worse", *files]) == 1
    table = capsys.readouterr().out
    assert table.startswith("old  good: results of good, miniature data, 2 tasks\n")
    assert "DTDZeroShot" not in table
    verdict = json.loads((here / "a.json").read_text())
    assert (verdict["state"], verdict["exit_code"], list(verdict["tasks"])) == (
        "regressed",
        1,
        ["CIFAR10ZeroShot", "DTDZeroShot"],
    )
    assert '<testsuite name="pytest-mieb compare good worse" tests="3" failures="2"' in (here / "a.xml").read_text()
    assert main(["compare", "good", "worse", "--markdown"]) == 1
    assert capsys.readouterr().out == (here / "a.md").read_text()
    assert main(["compare", "good", "worse", "--all"]) == 1
    assert "passed     DTDZeroShot" in capsys.readouterr().out


def test_showing_a_measurement_and_all_of_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "good"]) == 0
    assert capsys.readouterr().out.startswith("model         good\n")
    (here / "good" / "DTDZeroShot.npz").write_bytes(b"")
    assert main(["show", "good"]) == 1
    assert main(["show"]) == 0
    assert "published: 55" in capsys.readouterr().out
    assert main(["show", "nothing"]) == 4
    assert capsys.readouterr().err.startswith("pytest-mieb show: nothing is no results folder")
