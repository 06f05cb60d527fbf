"""A run whose model and data come over HTTP from a hub, and the next one without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hub import MODELS, Hub, Trouble
from tests.models.builders import build_clip
from tests.plugin.running import Toys, assert_no_traceback, assert_refused, environment, run
from tests.plugin.toy import OF_COLOURS, TASKS

MODEL = "team/tiny-clip"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class HubRuns(NamedTuple):
    """The same command three times: online, offline from the caches, and offline without them."""

    online: pytest.RunResult
    offline: pytest.RunResult
    empty: pytest.RunResult
    downloads: list[str]
    here: Toys


@pytest.fixture(scope="module")
def runs(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> HubRuns:
    root = tmp_path_factory.mktemp("hub")
    shutil.copytree(toys.mirror, root / "served")
    build_clip(root / "served" / MODELS / MODEL)
    here = toys.at(root / "project")

    def go(hub: Hub, home: Path, cache: str, *, offline: bool) -> pytest.RunResult:
        return run(
            here.folder,
            f"--mieb-model={MODEL}",
            f"--mieb-revision={REVISION}",
            f"--mieb-tasks={toys.cards}",
            f"--mieb-cache={root / cache}",
            "--mieb-baseline=none",
            "--mieb-device=cpu",
            "-kToy",
            variables=hub.environment(home) | {"HF_HUB_OFFLINE": str(int(offline))},
        )

    with Hub(root / "served") as hub:
        online = go(hub, root / "home", "first", offline=False)
        downloads = hub.downloads()
    # Nothing answers any more; a new cache of embeddings makes the second run read its data again.
    offline = go(hub, root / "home", "second", offline=True)
    return HubRuns(online, offline, go(hub, root / "nobody", "third", offline=True), downloads, here)


def test_model_and_data_come_from_the_hub(runs: HubRuns) -> None:
    runs.online.assert_outcomes(passed=len(TASKS), deselected=130)
    assert f"{MODEL}/model.safetensors" in runs.downloads
    assert any(file.startswith("toy/colours/") and file.endswith(".parquet") for file in runs.downloads)
    assert_no_traceback(runs.online.outlines)


def test_offline_the_same_run_reads_the_caches(runs: HubRuns) -> None:
    runs.offline.assert_outcomes(passed=len(TASKS), deselected=130)


def test_offline_without_a_cache_is_one_usage_error_that_says_what_to_do(runs: HubRuns) -> None:
    assert_refused(runs.empty, MODEL, "go online once")


@pytest.fixture(scope="module")
def troubled(toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> pytest.RunResult:
    """A run on a hub where one dataset is gated, one is gone, one fails, and one comes with another content."""
    root = tmp_path_factory.mktemp("troubled")
    here = toys.at(root / "project")
    hub = Hub(toys.mirror, gated=["toy/pairs"], missing=["toy/choice"], failing={"toy/sts": 500})
    spoilt = sorted((toys.mirror / "toy/languages").rglob("*.parquet"))[0]
    hub.trouble = Trouble(suffix=spoilt.relative_to(toys.mirror / "toy/languages").as_posix(), spoil=True)
    with hub:
        return run(
            here.folder,
            "--mieb-model=toymodels:sound",
            "--mieb-data=hub",
            f"--mieb-tasks={toys.cards}",
            f"--mieb-cache={root / 'cache'}",
            "--mieb-baseline=none",
            "--mieb-device=cpu",
            "-kToy",
            variables=hub.environment(root / "home")
            | {"HF_HUB_OFFLINE": "0", "PYTHONPATH": environment()["PYTHONPATH"]},
        )


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("toy/pairs", "it is gated; accept its terms on the hub and log in with `hf auth login`"),
        ("toy/choice", "it or its revision does not exist there, or you may not see it"),
        ("toy/sts", "the hub answered 500: this repository was told to fail; that is trouble of its own"),
        ("toy/languages", "the hub sent a file whose content is not what it lists"),
    ],
)
def test_what_the_hub_does_not_give_costs_its_own_task(troubled: pytest.RunResult, path: str, sentence: str) -> None:
    told = [line for line in troubled.outlines if f"dataset {path} (revision" in line and "cannot be read" in line]
    assert told and all(sentence in line for line in told), told
    assert not [line for line in troubled.outlines if "Traceback" in line or "INTERNALERROR" in line]


def test_all_other_tasks_of_such_a_run_go_on(troubled: pytest.RunResult) -> None:
    outcomes = troubled.parseoutcomes()
    assert (outcomes["passed"], outcomes["errors"]) == (len(OF_COLOURS), len(TASKS) - len(OF_COLOURS))
    assert troubled.ret == 6
