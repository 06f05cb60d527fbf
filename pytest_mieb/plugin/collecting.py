"""What a run with a model collects: always the suite, unless single tests were named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from pytest_mieb.plugin.keys import EMBEDDER, TASK
from pytest_mieb.support.packaged import packaged

SUITE = packaged("tasks") / "test_mieb.py"


def add_suite(config: pytest.Config) -> bool:
    """Let the run collect the suite: alone where no path was named, else beside the files and folders that were.

    False where single tests were named (`...::...`): then exactly these run.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = [str(SUITE.parent)]
    elif any("::" in argument for argument in config.args):
        return False
    elif not any(
        (config.invocation_params.dir / argument).resolve() in (SUITE, SUITE.parent) for argument in config.args
    ):
        config.args.append(str(SUITE.parent))
    return True


def replaced(config: pytest.Config) -> str | None:
    """What the suite runs in place of, as a sentence; None where the project sets no testpaths."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return None
    paths = " ".join(config.getini("testpaths"))
    return f"in place of testpaths ({paths}); name them to run both"


def missing(session: pytest.Session, items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The suite's tests where none of them is among `items`: pytest takes a folder that lies in a named one for a part
    of it, and passes over virtual environments, where the package may lie.
    """
    if any(is_suite(item.path) for item in items):
        return []
    return [item for item in session.genitems(suite_module(session)) if isinstance(item, pytest.Item)]


def is_suite(path: Path) -> bool:
    """Whether a path, of whatever spelling, is the suite's file."""
    return path.name == SUITE.name and path.resolve() == SUITE


def suite_module(parent: pytest.Collector, path: Path = SUITE) -> pytest.Module:
    """The suite as a node of pytest's, imported by its path: a project may have a module of that name."""
    module: pytest.Module = pytest.Module.from_parent(parent, path=path)
    spec = spec_from_file_location("pytest_mieb_suite", SUITE)
    assert spec is not None and spec.loader is not None
    module.obj = module_from_spec(spec)
    spec.loader.exec_module(module.obj)
    return module


def asks_for_nothing(items: Sequence[pytest.Item]) -> bool:
    """Whether there are tests and none of them asks for a task or for the model: a gate that would judge nothing."""
    asked = [{TASK, EMBEDDER} & set(getattr(item, "fixturenames", ())) for item in items]
    return bool(asked) and not any(asked)


def refusal(model: str) -> str:
    """What to do where the selected tests ask for nothing."""
    return (
        f"--mieb-model={model} is given, but none of the selected tests asks for a MIEB task, so that nothing would be "
        "judged; the suite runs where no path is named and beside files and folders, not beside single tests (::), and "
        "-k, -m and --deselect have to leave some of it"
    )
