"""What the end-to-end tests share: the toys, written once, and the runs that several tests look at."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path

import pytest

from tests.plugin.running import SLOW, Toys


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    from tests.plugin.toy import BROKEN_CARDS, CARDS, write_cards, write_mirror

    root = tmp_path_factory.mktemp("mieb")
    return Toys(
        mirror=write_mirror(root / "mirror"),
        cards=write_cards(root / "cards", CARDS),
        broken_cards=write_cards(root / "broken", BROKEN_CARDS),
        cache=root / "cache",
        folder=root / "nowhere",
    )


@pytest.fixture(scope="session")
def recorded(toys: Toys) -> tuple[Toys, pytest.RunResult]:
    """The sound model's first run, recorded as its baseline."""
    here = toys.at(toys.mirror.parent / "recorded")
    return here, here.run("sound", "--mieb-update")


@pytest.fixture(scope="session")
def damaged(recorded: tuple[Toys, pytest.RunResult]) -> tuple[Toys, pytest.RunResult]:
    """A damaged model against the sound one's baseline."""
    here, _ = recorded
    return here, here.run("swapped_channels", "--mieb-baseline=toymodels__sound", "--junitxml=junit.xml", "-v")


@pytest.fixture
def apart(toys: Toys, recorded: tuple[Toys, pytest.RunResult], tmp_path: Path) -> Toys:
    """A folder of its own with a copy of the sound model's baseline and its outcomes."""
    here = toys.at(tmp_path)
    shutil.copytree(recorded[0].baseline.parent, here.baseline.parent)
    return here


@pytest.fixture(scope="session", autouse=True)
def _imported_once() -> None:
    """`Pytester.runpytest_inprocess` forgets what a run imported; compiled modules do not bear a second import."""
    from pytest_mieb.canary import check

    for name in ("yaml", "transformers.utils.logging", *SLOW):
        import_module(name)
    check()
