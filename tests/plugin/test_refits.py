"""Releases that differ by rounding, on clusters that k-means finds otherwise each time: none of them fails."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from tests.plugin.factories import noisymodel
from tests.plugin.running import run, summary
from tests.plugin.toy import CARDS, LABELS, write_cards, write_table

NAMES = ("NoisyClustering", "NoisyProbe")
FITS = "clustering is judged by fits with matched initial centres, not by its score: NoisyClustering "


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("noisy")
    rows = [
        {"image": noisymodel.picture(number), "label": noisymodel.label(number)} for number in range(noisymodel.COUNT)
    ]
    names = [f"class {number}" for number in range(noisymodel.CLASSES)]
    write_table(
        root / "mirror/toy/colours",
        {"train": rows[::2], "test": rows},
        datasets.Features(LABELS | {"label": datasets.ClassLabel(names=names)}),
    )
    write_cards(root / "cards", {name: CARDS[name.replace("Noisy", "Toy")] for name in NAMES})
    return [
        "--mieb-model=noisymodel:release",
        "--mieb-baseline=before",
        f"--mieb-data={root / 'mirror'}",
        f"--mieb-tasks={root / 'cards'}",
        f"--mieb-cache={root / 'cache'}",
        "--mieb-device=cpu",
        "-k",
        "Noisy",
    ]


@pytest.fixture(scope="module")
def folder(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first release was recorded."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    result = run(folder, *options, "--mieb-update", variables={"RELEASE": "1"})
    assert result.ret == pytest.ExitCode.OK, "\n".join(result.outlines)
    return folder


def test_no_release_fails_though_the_scores_of_its_clusters_move_by_points(folder: Path, options: list[str]) -> None:
    moved = []
    for number in range(2, 6):
        result = run(folder, *options, variables={"RELEASE": str(number)})
        assert result.ret == pytest.ExitCode.OK
        moved += [line.removeprefix(FITS) for line in summary(result) if line.startswith(FITS)]
    changes = [float(line.split(",")[0]) for line in moved]
    assert min(changes) < -4 and len(changes) >= 3


def test_a_worse_release_fails_by_its_fits(folder: Path, options: list[str]) -> None:
    result = run(folder, *options, variables={"RELEASE": "6", "SCATTERED": "0.1"})
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    for start in (
        "NoisyClustering regressed: nmi ",
        "the score is that of a single fit, which changes with every restart; the mean over 16 fits ",
    ):
        assert any(line.startswith(start) for line in result.outlines)
