"""A run whose model and data come over HTTP from a hub, and the next one without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hub import MODELS, Hub
from tests.models.builders import build_clip
from tests.plugin.running import Toys, assert_no_traceback, assert_refused, run
from tests.plugin.toy import TASKS

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
