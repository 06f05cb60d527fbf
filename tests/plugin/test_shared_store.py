"""Machines that share their embeddings: what one has embedded, no other one embeds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mieb.embedding.shared import SHARD
from tests.plugin.running import Toys, assert_no_traceback, summary
from tests.plugin.toy import TASKS


def machine(toys: Toys, folder: Path, ini: str = "") -> Toys:
    """A folder and a cache of its own."""
    return replace(toys.at(folder, ini), cache=folder / "cache")


def work(result: pytest.RunResult) -> list[int]:
    """How many items were embedded, and how many were not."""
    (line,) = (line for line in summary(result) if " items were embedded, " in line)
    return [int(word) for word in line.replace(",", "").split() if word.isdecimal()][:2]


def test_what_one_machine_embedded_another_one_does_not(toys: Toys, tmp_path: Path) -> None:
    store = f"--mieb-store={(tmp_path / 'team').as_uri()}"
    one, two = machine(toys, tmp_path / "one"), machine(toys, tmp_path / "two", f"mieb_store = {tmp_path / 'team'}")
    first = one.run("sound", "--mieb-baseline=none", store)
    second = two.run("sound", "--mieb-baseline=none", "-n", "2")
    for result in (first, second):
        result.assert_outcomes(passed=len(TASKS))
    (embedded, reused), (again, taken) = work(first), work(second)
    assert embedded > 0 and (again, taken) == (0, embedded + reused)
    for name, content in one.results().contents.items():
        assert two.results().contents[name]["score"] == content["score"]
    files = [{file.relative_to(place) for file in place.rglob(f"*{SHARD}")} for place in (one.cache, tmp_path / "team")]
    assert {file for file in files[0] if file.parts[0] == "embeddings"} == files[1] != set()


def test_a_run_sends_what_was_stored_before_there_was_a_shared_place(toys: Toys, tmp_path: Path) -> None:
    one, two = machine(toys, tmp_path / "one"), machine(toys, tmp_path / "two")
    one.run("sound", "--mieb-baseline=none")
    options = ["--mieb-baseline=none", "--mieb-store=../team"]
    one.run("sound", *options)
    assert work(two.run("sound", *options))[0] == 0


def test_a_place_that_vanishes_is_one_warning_and_the_run_goes_on(toys: Toys, tmp_path: Path) -> None:
    here, team = machine(toys, tmp_path / "one"), tmp_path / "team"
    team.mkdir()
    (team / "embeddings").write_text("in the way")
    result = here.run("sound", "--mieb-baseline=none", f"--mieb-store={team}")
    result.assert_outcomes(passed=len(TASKS), warnings=2, deselected=130)
    said = [line for line in result.outlines if "MiebWarning: " in line]
    assert sum("shared embeddings cannot be read from" in line for line in said) == 1
    assert sum("of embeddings could not be sent to" in line and "nothing is lost" in line for line in said) == 1
    assert_no_traceback(summary(result))
    (team / "embeddings").unlink()
    shutil.rmtree(here.folder / "mieb-results")
    here.run("sound", "--mieb-baseline=none", f"--mieb-store={team}").assert_outcomes(passed=len(TASKS), deselected=130)
    assert list(team.rglob(f"*{SHARD}"))
