"""`pytest-mieb embed` stores what a run of pytest then finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plugin.running import Toys, environment, summary
from tests.plugin.toy import TASKS

PATIENCE = 120.0


def command(here: Toys, model: str, *arguments: str) -> list[str]:
    given = [f"--mieb-data={here.mirror}", f"--mieb-tasks={here.cards}", f"--mieb-cache={here.cache}"]
    return [
        *(sys.executable, "-m", "pytest_mieb.cli", "embed", f"--mieb-model=toymodels:{model}", "--mieb-device=cpu"),
        *given,
        *arguments,
    ]


def embed(here: Toys, model: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(here, model, *arguments),
        cwd=here.folder,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def here(toys: Toys, tmp_path: Path) -> Toys:
    return replace(toys.at(tmp_path), cache=tmp_path / "cache")


def work(lines: Sequence[str]) -> str:
    (line,) = (line for line in lines if " items were embedded, " in line)
    return line


def test_a_run_after_it_embeds_nothing(here: Toys) -> None:
    done = embed(here, "sound", "-k", "Toy")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(TASKS) + 1
    assert all(" items embedded, " in line and " were stored" in line for line in lines)
    result = here.run("sound", "--mieb-baseline=none")
    result.assert_outcomes(passed=len(TASKS), deselected=130)
    assert work(summary(result)).startswith("0 items were embedded, ")
    again = embed(here, "sound", "-k", "Toy")
    assert again.stdout.splitlines()[-1].startswith("0 items embedded, ")


def test_a_task_that_fails_costs_no_other_and_the_code_says_so(here: Toys) -> None:
    broken = replace(here, cards=here.broken_cards)
    done = embed(broken, "sound", f"--mieb-tasks={here.cards}", "-k", "ToyNoDataset or ToySTS")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any("ToyNoDataset: failed: dataset toy/absent" in line for line in lines)
    assert any("ToySTS: " in line and " items embedded" in line for line in lines)
    assert lines[-1].endswith("; 1 of 2 tasks failed")
    assert "Traceback" not in done.stdout + done.stderr


def test_a_task_that_the_model_cannot_do_is_no_failure(here: Toys) -> None:
    done = embed(here, "vision_only", "-k", "ToySTS or ToyZeroShot")
    assert done.returncode == 0
    assert "ToyZeroShot: not applicable, toymodels:vision_only embeds no text" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "lit"], "'lit' is no marker; did you mean lite?"),
        (["-k", "Nothing"], "-k 'Nothing' selects none of the 138 tasks"),
        (["--mieb-batch-size=0"], "--mieb-batch-size=0: legal are whole numbers from 1 to 65536"),
        (["--mieb-model=toymodels:raises"], "raises() failed: RuntimeError: weights of step 40000 are truncated"),
        (["--mieb-model=nowhere/at/all/x"], "nowhere/at/all/x"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(here: Toys, arguments: list[str], said: str) -> None:
    done = embed(here, "sound", *arguments)
    assert done.returncode == 4
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("pytest-mieb embed: "))
    assert said in line
    assert "Traceback" not in done.stderr


def test_without_a_model_the_usage_says_what_to_give(here: Toys) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mieb.cli", "embed"],
        env=environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4
    assert "--mieb-model" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_interrupted_keeps_what_it_has(here: Toys, sent: signal.Signals) -> None:
    arguments = command(here, "stuck", "-k", "ToyClustering", "--mieb-batch-size=16")
    with subprocess.Popen(
        arguments, cwd=here.folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        started = time.monotonic()
        while not (here.folder / "stuck").exists() and time.monotonic() - started < PATIENCE:
            time.sleep(0.05)
        os.kill(process.pid, sent)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "interrupted: what was embedded is stored" in said
    assert "Traceback" not in said
    assert len(list((here.cache / "embeddings").rglob("*.safetensors"))) >= 1
