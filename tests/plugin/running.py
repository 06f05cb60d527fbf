"""Running pytest on the tests' own suite, in a process of its own, and reading what it left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pytest

FACTORIES = Path(__file__).parent / "factories"
MARKS_OF_A_TRACEBACK = ("Traceback", "INTERNALERROR", "During handling of", "direct cause", ".py:")
SOUND = "toymodels__sound"


class Results(NamedTuple):
    """The result files of a run, by task."""

    contents: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Toys:
    """Where the tests' mirror, cards and model factories lie, and what the runs share.

    `folder` is where a run starts, with a pytest.ini that makes it the root; `cache` is shared unless replaced.
    """

    mirror: Path
    cards: Path
    broken_cards: Path
    cache: Path
    folder: Path

    def at(self, folder: Path, ini: str = "") -> Toys:
        """The same toys, for a run that starts in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pytest.ini").write_text(f"[pytest]\n{ini}", encoding="utf-8")
        return replace(self, folder=folder)

    @property
    def options(self) -> list[str]:
        return [
            f"--mieb-data={self.mirror}",
            f"--mieb-tasks={self.cards}",
            f"--mieb-cache={self.cache}",
            "--mieb-device=cpu",
            "-k",
            "Toy",
        ]

    @property
    def baseline(self) -> Path:
        return self.folder / "baselines" / f"{SOUND}.yaml"

    def run(self, model: str, *arguments: str) -> pytest.RunResult:
        """Run the toy tasks on a model of `toymodels`; a later argument wins over the usual ones."""
        return run(self.folder, f"--mieb-model=toymodels:{model}", *self.options, *arguments)

    def results(self, model: str = "sound") -> Results:
        folder = self.folder / "mieb-results" / f"toymodels__{model}"
        return Results(
            {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")},
            {file.stem: dict(np.load(file, allow_pickle=False)) for file in folder.glob("*.npz")},
        )


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> pytest.RunResult:
    """`pytest *arguments` in `folder`, as `Pytester.runpytest_subprocess` does it, but for fixtures of any scope.

    `variables` go over those of `environment()`.
    """
    started = perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=environment() | (variables or {}),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return pytest.RunResult(
        finished.returncode, finished.stdout.splitlines(), finished.stderr.splitlines(), perf_counter() - started
    )


def environment() -> dict[str, str]:
    """This process's, without what would change a run, offline, and wide enough that no line is cut."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HF_"))}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(FACTORIES), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "400",
    }


def summary(result: pytest.RunResult) -> list[str]:
    """The lines of the section `mieb`."""
    lines = result.outlines
    start = next((place for place, line in enumerate(lines) if line.strip("= ") == "mieb" and "=" in line), None)
    if start is None:
        return []
    end = next(place for place, line in enumerate(lines) if place > start and line.startswith("==="))
    return lines[start + 1 : end]


def header(result: pytest.RunResult) -> str:
    (line,) = (line for line in result.outlines if line.startswith("mieb: "))
    return line


def assert_no_traceback(lines: Sequence[str]) -> None:
    found = [line for line in lines for mark in MARKS_OF_A_TRACEBACK if mark in line]
    assert not found


def assert_refused(result: pytest.RunResult, *sentences: str) -> None:
    """One usage error: exit code 4, one sentence with all of `sentences` in it, no traceback."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.outlines[-20:]
    errors = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert len(errors) == 1, result.errlines
    for sentence in sentences:
        assert sentence in errors[0]
    assert_no_traceback([*result.outlines, *(line for line in result.errlines if line not in errors)])
