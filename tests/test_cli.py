"""The command `pytest-mieb`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_mieb import __version__
from pytest_mieb.cli import main
from pytest_mieb.models.registry import MODELS

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


@pytest.mark.parametrize("arguments", [[], ["model"], ["models", "a", "b"], ["--nonsense"], ["compare", "a"], ["show", "a", "b"]])
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
