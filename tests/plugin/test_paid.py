"""Runs on a model behind an API: what they may cost is said before, and what they did cost after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugin.running import Toys, assert_refused, run, summary
from tests.voyage import Answer, Voyage, serving

MODEL = "voyage-multimodal-3"
COLOURS = "ToyZeroShot or ToyShades"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Voyage]:
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture
def here(toys: Toys, tmp_path: Path) -> Toys:
    return toys.at(tmp_path)


def paid(here: Toys, *arguments: str, model: str = f"voyage:{MODEL}") -> pytest.RunResult:
    """Measured only, with a store of its own."""
    own = [f"--mieb-model={model}", "--mieb-baseline=none", f"--mieb-cache={here.folder / 'cache'}"]
    return run(here.folder, *here.options, *own, *arguments)


def spent(result: pytest.RunResult) -> str:
    (line,) = (line for line in summary(result) if line.startswith("spent "))
    return line


def bill(api: Voyage) -> float:
    """What the server would ask for, in US dollars."""
    usages = [api.embed(request)["usage"] for request in api.requests]
    return sum(each["text_tokens"] * 0.12e-6 + each["image_pixels"] * 0.60e-9 for each in usages)


@pytest.mark.parametrize("model", [f"voyage:{MODEL}", f"voyageai/{MODEL}"])
def test_what_a_run_may_cost_and_what_it_cost(here: Toys, api: Voyage, model: str) -> None:
    result = paid(here, "-k", COLOURS, model=model)
    result.assert_outcomes(passed=2)
    (line,) = (line for line in result.outlines if line.startswith("mieb cost: "))
    most = re.fullmatch(r"mieb cost: up to about \$([\d.]+) for [\d,]+ rows .*; give --mieb-max-cost to stop .*", line)
    assert most is not None
    assert 0 < bill(api) < float(most[1])
    assert spent(result) == f"spent ${bill(api):.6f}".rstrip("0")
    before = len(api.requests)
    again = paid(here, "-k", COLOURS, model=model)
    assert len(api.requests) == before
    assert spent(again) == "spent $0.00"


def test_workers_share_the_limit_and_the_bill(here: Toys, api: Voyage) -> None:
    """Each may spend half, which is not enough for one request; what the other tasks need was paid for before."""
    first = paid(here, "-k", "ToyProbe")
    before, known = bill(api), len(api.requests)
    assert spent(first) == f"spent ${before:.6f}".rstrip("0")
    result = paid(here, "-k", "ToyProbe or ToySTS", "-n", "2", "--mieb-max-cost=0.00001")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == 6
    assert len(api.requests) == known
    assert spent(result) == "spent $0.00"
    assert "stops at $0.00001" in result.stdout.str()
    assert "and this process may spend $0.000005; raise it, or select fewer tasks" in result.stdout.str()
    rest = paid(here, "-k", "ToyProbe or ToySTS", "-n", "2")
    rest.assert_outcomes(passed=2)
    assert spent(rest) == f"spent ${bill(api) - before:.6f}".rstrip("0")


def test_requests_that_failed_are_on_the_bill(here: Toys, api: Voyage) -> None:
    api.answers = [Answer(400, {"detail": "one of the inputs is too long"})]
    result = paid(here, "-k", "ToyShades")
    assert result.ret == 6
    assert "the API refused the request (400 one of the inputs is too long)" in result.stdout.str()
    assert spent(result) == "spent $0.00"


@pytest.mark.parametrize("model", [f"voyage:{MODEL}", f"voyageai/{MODEL}"])
def test_what_would_be_paid_for_many_times_is_refused(here: Toys, api: Voyage, model: str) -> None:
    assert_refused(paid(here, "--mieb-calibrate=2", model=model), "--mieb-calibrate does not go with", "would be paid")
    assert not api.requests
