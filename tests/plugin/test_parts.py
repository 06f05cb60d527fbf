"""A mirror that holds a part of the data: refused unless it is asked for, and never compared with the whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import yaml

from pytest_mieb.plugin import INCOMPLETE
from tests.plugin.running import SOUND, Toys, summary
from tests.plugin.toy import write_colours

CHOSEN = ("-k", "ToyZeroShot or ToyShades")
ANY = "--mieb-sizes=any"
PART = "16 of 64 rows"
REFUSED = (
    "dataset toy/colours (revision main), test: 16 rows where the card expects 64; download it again, correct "
    "`expected` in ToyZeroShot.yaml, or measure what is there with --mieb-sizes=any"
)


@pytest.fixture(scope="module")
def short(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """The toys with a quarter of the coloured pictures."""
    root = tmp_path_factory.mktemp("short")
    write_colours(root / "mirror", Random(7), train=2, test=2)
    return replace(toys, mirror=root / "mirror", cache=root / "cache", folder=root / "nowhere")


@pytest.fixture(scope="module")
def of_a_part(short: Toys) -> tuple[Toys, pytest.RunResult]:
    here = short.at(short.mirror.parent / "recorded")
    return here, here.run("sound", ANY, "--mieb-update", *CHOSEN)


def test_another_number_of_rows_is_refused_unless_it_is_asked_for(short: Toys, tmp_path: Path) -> None:
    result = short.at(tmp_path).run("sound", "--mieb-baseline=none", *CHOSEN)
    result.assert_outcomes(passed=1, errors=1, deselected=136)
    assert REFUSED in result.outlines


def test_a_setting_in_the_configuration_file_asks_for_it_too(short: Toys, tmp_path: Path) -> None:
    result = short.at(tmp_path, "mieb_sizes = any").run("sound", "--mieb-baseline=none", *CHOSEN)
    result.assert_outcomes(passed=2, deselected=136)


def test_results_and_baseline_say_on_what_part_a_task_was_measured(of_a_part: tuple[Toys, pytest.RunResult]) -> None:
    here, result = of_a_part
    result.assert_outcomes(passed=2, deselected=136)
    assert {name: content["part"] for name, content in here.results().contents.items()} == {
        "ToyZeroShot": PART,
        "ToyShades": "",  # its card expects nothing
    }
    tasks = yaml.safe_load(here.baseline.read_text(encoding="utf-8"))["tasks"]
    assert {name: task.get("part") for name, task in tasks.items()} == {"ToyZeroShot": PART, "ToyShades": None}
    assert "measured on a part of the data (1): ToyZeroShot" in summary(result)


@pytest.mark.parametrize(
    ("model", "state", "workers"), [("sound", "passed", ("-n", "2")), ("swapped_channels", "regressed", ())]
)
def test_a_part_is_compared_with_the_same_part(
    of_a_part: tuple[Toys, pytest.RunResult], tmp_path: Path, model: str, state: str, workers: tuple[str, ...]
) -> None:
    here = of_a_part[0].at(tmp_path)
    shutil.copytree(of_a_part[0].baseline.parent, here.baseline.parent)
    here.run(model, ANY, f"--mieb-baseline={SOUND}", *CHOSEN, *workers)
    assert here.verdict(model)["state"] == state


def test_a_part_is_not_compared_with_the_whole(short: Toys, apart: Toys, tmp_path: Path) -> None:
    """Neither way round."""
    here = replace(apart, mirror=short.mirror, cache=short.cache)
    result = here.run("sound", ANY, "-k", "ToyZeroShot")
    assert result.ret == INCOMPLETE
    sentence = (
        "ToyZeroShot: the score was measured on {} of toy/colours, the baseline's on {}; a part can only be compared "
        "with the same part: measure the same rows, or record a baseline of these with --mieb-update"
    )
    assert sentence.format(PART, "the whole") in result.outlines
    assert here.verdict()["incomplete"] == {"ToyZeroShot": sentence.format(PART, "the whole")}

    changed = here.run("sound", ANY, "--mieb-update", "-k", "ToyZeroShot")
    assert f"  ToyZeroShot: 100.00 on {PART}, before 100.00 on the whole" in summary(changed)
    assert apart.run("sound", "-k", "ToyZeroShot").ret == INCOMPLETE
    assert apart.verdict()["incomplete"] == {"ToyZeroShot": sentence.format("the whole", PART)}
