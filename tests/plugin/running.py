"""Running pytest on the tests' own suite, in a process of its own, and reading what it left behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

FACTORIES = Path(__file__).parent / "factories"
MARKS_OF_A_TRACEBACK = ("Traceback", "INTERNALERROR", "During handling of", "direct cause", ".py:")
SOUND = "toymodels__sound"
OUTCOMES = ("failure", "error", "skipped")
PATIENCE = 600
SLOW = (
    "datasets",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.image_processing_clip",
    "yaml",
)


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

    def verdict(self, model: str = "sound") -> dict[str, Any]:
        """What the last run of the model decided."""
        path = self.folder / "mieb-results" / f"toymodels__{model}" / "verdict.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def junit(self) -> dict[str, str]:
        """How each case came out by its name: passed, failure, error or skipped."""
        return {
            f"{case.get('classname')}::{case.get('name')}": next(
                (each.tag for each in case if each.tag in OUTCOMES), "passed"
            )
            for case in ElementTree.parse(self.folder / "junit.xml").getroot().iter("testcase")
        }

    def results(self, model: str = "sound") -> Results:
        folder = self.folder / "mieb-results" / f"toymodels__{model}"
        return Results(
            {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("Toy*.json")},
            {file.stem: dict(np.load(file, allow_pickle=False)) for file in folder.glob("*.npz")},
        )


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> pytest.RunResult:
    """`pytest *arguments` in `folder`, as `Pytester.runpytest_subprocess` does it, but for fixtures of any scope.

    `variables` go over those of `environment()`. A run with workers, or with other settings of Hugging Face, which are
    read on import, starts from nothing; any other has the large libraries in memory already, which spares it most of
    its time.
    """
    started = perf_counter()
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("out", "err")]
        fresh = "-n" in arguments or any(name.startswith("HF_") for name in variables or ())
        code = (_start if fresh else _fork)(folder, arguments, environment() | dict(variables or {}), streams)
        out, err = (stream.read_text(encoding="utf-8").splitlines() for stream in streams)
    return pytest.RunResult(code, out, err, perf_counter() - started)


def _start(folder: Path, arguments: Sequence[str], variables: Mapping[str, str], streams: Sequence[Path]) -> int:
    with open(streams[0], "wb") as out, open(streams[1], "wb") as err:
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(
            command, cwd=folder, env=variables, stdout=out, stderr=err, timeout=PATIENCE, check=False
        ).returncode


def _fork(folder: Path, arguments: Sequence[str], variables: Mapping[str, str], streams: Sequence[Path]) -> int:
    process = _server().Process(target=_pytest, args=(folder, arguments, variables, streams))
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"pytest {' '.join(arguments)}")
    return process.exitcode


@cache
def _server() -> ForkServerContext:
    """Forks from a process that has imported what is slow to import, and nothing of the package."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(SLOW))
    return context


def _pytest(folder: Path, arguments: Sequence[str], variables: Mapping[str, str], streams: Sequence[Path]) -> None:
    """What `python -m pytest` does, without the plugins of others that happen to be installed."""
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    tempfile.tempdir = None  # or it stays where this process looked for it first
    os.environ.clear()
    os.environ.update(variables)
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_mieb.plugin,xdist.plugin"}
    sys.path[:0] = [str(folder), str(FACTORIES)]
    sys.exit(pytest.main(list(arguments)))


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
