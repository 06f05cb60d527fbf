"""A run on a part that `pytest-mieb data pack` made of the miniature: one task of each layout and protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_mieb.cli import main
from pytest_mieb.miniature import mirror
from pytest_mieb.suite.cards import load_tasks
from tests.plugin.running import run

TASKS = (
    "BLINKIT2IMultiChoice",
    "CUB200I2IRetrieval",
    "CVBenchCount",
    "EDIST2ITRetrieval",
    "HatefulMemesI2TRetrieval",
    "ImageCoDe",
    "MemotionT2IRetrieval",
    "SciMMIRI2TRetrieval",
    "STL10Zeroshot",
    "STS13VisualSTS",
    "SugarCrepe",
    "TinyImageNetClustering",
    "VidoreDocVQARetrieval",
    "VOC2007",
    "WITT2IRetrieval",
    "XFlickr30kCoT2IRetrieval",
)


def test_a_packed_part_runs_and_is_known_to_be_a_part(miniature_cache: Path, tmp_path: Path) -> None:
    chosen = " or ".join(TASKS)
    source, part = mirror(miniature_cache, print), tmp_path / "part"
    assert main(["data", "pack", str(source), str(part), "-k", chosen, "--rows=20"]) == 0
    tasks = [name for name in load_tasks() if any(each.lower() in name.lower() for each in TASKS)]
    assert len(tasks) >= len(TASKS)
    result = run(
        tmp_path,
        "--mieb-model=miniature",
        f"--mieb-data={part}",
        "--mieb-sizes=any",
        "--mieb-baseline=none",
        "--mieb-device=cpu",
        f"--mieb-cache={tmp_path / 'cache'}",
        "-k",
        chosen,
    )
    result.assert_outcomes(passed=len(tasks), deselected=130 - len(tasks))
    for name in tasks:
        content = json.loads((tmp_path / "mieb-results" / "miniature" / f"{name}.json").read_text(encoding="utf-8"))
        assert content["part"].endswith(" rows"), name


def test_without_the_option_a_part_is_refused(miniature_cache: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    assert main(["data", "pack", str(mirror(miniature_cache, print)), str(part), "-k", "STL10Zeroshot"]) == 0
    arguments = ("--mieb-model=miniature", f"--mieb-data={part}", "--mieb-baseline=none", "-k", "STL10Zeroshot")
    result = run(tmp_path, *arguments, f"--mieb-cache={tmp_path / 'cache'}")
    assert result.ret != pytest.ExitCode.OK
    assert any("or measure what is there with --mieb-sizes=any" in line for line in result.outlines)
