"""Another environment than the baseline's: no verdict where the canary moved, a warning where the store rounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from pytest_mieb.plugin import INCOMPLETE
from pytest_mieb.support.arrays import SUFFIX, mapped
from tests.plugin.running import Toys, header

Ran = tuple[Toys, pytest.RunResult]
# Loaded by the run that starts beside it: a JPEG decoder that is nine levels off.
MOVED = """
import pytest_mieb.canary
from pytest_mieb.canary import CanaryReport, Deviation, Station

DECODE = Station("decode", (Deviation("photo.jpg", 9.0, 2.0, "levels"),))
pytest_mieb.canary.check = lambda device: CanaryReport((DECODE,), {}, {})
"""


@pytest.fixture
def elsewhere(toys: Toys, tmp_path: Path) -> Toys:
    here = toys.at(tmp_path)
    (here.folder / "conftest.py").write_text(MOVED, encoding="utf-8")
    return here


def test_a_moved_environment_is_no_regression(elsewhere: Toys, recorded: Ran) -> None:
    result = elsewhere.run("swapped_channels", f"--mieb-baseline={recorded[0].baseline}", "-k", "ToyChoice")
    assert result.ret == INCOMPLETE
    result.assert_outcomes(errors=1, deselected=137)
    said = next(line for line in result.outlines if "the environment moved" in line)
    assert said.startswith("ToyChoice: the environment moved, not the model: ")
    assert "decode" in said and "photo.jpg" in said
    assert said.count("not the model") == 1
    assert elsewhere.verdict("swapped_channels")["state"] == "incomplete"


def test_a_baseline_of_the_same_environment_compares_with_a_warning(elsewhere: Toys) -> None:
    baseline = f"--mieb-baseline={elsewhere.folder / 'here.yaml'}"
    assert elsewhere.run("sound", baseline, "-k", "ToyChoice", "--mieb-update").ret == 0
    runs = yaml.safe_load((elsewhere.folder / "here.yaml").read_text(encoding="utf-8"))["runs"]
    assert [run["canary"] for run in runs.values()] == [["decode"]]
    result = elsewhere.run("sound", baseline, "-k", "ToyChoice")
    assert result.ret == 0
    assert any(
        line.startswith("warning: the canary differs from the package's at decode, as when") for line in result.outlines
    )


def test_measuring_in_a_moved_environment_warns(elsewhere: Toys) -> None:
    result = elsewhere.run("sound", "--mieb-baseline=none", "-k", "ToyChoice")
    assert result.ret == 0
    assert any("the canary differs from the package's at decode; python -m" in line for line in result.outlines)


def test_embeddings_stored_in_float16_are_scored_as_stored_and_compared_with_a_warning(
    apart: Toys, recorded: Ran, tmp_path: Path
) -> None:
    def ran(*options: str) -> tuple[pytest.RunResult, dict[str, float]]:
        chosen = (f"--mieb-baseline={recorded[0].baseline}", f"--mieb-cache={tmp_path / 'cache'}", "-k", "ToyChoice")
        result = apart.run("sound", *chosen, "--mieb-store-dtype=float16", *options)
        return result, {name: own["score"] for name, own in apart.results().contents.items()}

    result, embedded = ran()
    assert result.ret == 0
    assert "mieb: model toymodels:sound" in header(result) and header(result).endswith(", stored in float16")
    assert any("the embeddings are stored in float16, the baseline's in float32" in line for line in result.outlines)
    shards = (tmp_path / "cache" / "embeddings").rglob(f"*{SUFFIX}")
    assert {mapped(shard).arrays["vectors"].dtype for shard in shards} == {np.dtype(np.float16)}
    taken, again = ran()
    assert again == embedded and any("1 of 1 task" in line for line in taken.outlines)
    strict, _ = ran("--mieb-strict-context")
    assert strict.ret == INCOMPLETE
