"""Faults of the hub: passed over where they pass, and told as what they are where they last.

The real clients run in a process of their own, without their waits: what they would have waited is noted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hub import Hub, Trouble

REVISION = "a" * 40
ONE, OTHER = "mini/one", "mini/other"
ROWS = 40_000
LOAD = """
import json, sys, time
slept = []
time.sleep = slept.append
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.hub import Hub
from pytest_mieb.support.hub import Line, Patience
from pytest_mieb.suite import DatasetRef

patience, revision, *names = sys.argv[1:]
warned, results = [], []
hub = Hub(line=Line(warned.append, Patience(**json.loads(patience))))
for name in names:
    started = time.monotonic()
    try:
        found = {"rows": len(hub.columns(DatasetRef(name, revision, "labelled"), None, "test")), "error": None}
    except DatasetError as error:
        found = {"rows": None, "error": str(error)}
    results.append(found | {"seconds": time.monotonic() - started})
    if names.index(name) == 0 and sys.stdin.readline().strip() == "go":
        pass
print(json.dumps({"results": results, "warned": warned, "slept": slept}))
"""


@dataclass(frozen=True)
class Loaded:
    results: list[dict[str, Any]]
    warned: list[str]
    slept: list[float]

    @property
    def error(self) -> str:
        said = self.results[0]["error"]
        assert said is not None and "\n" not in said and "Traceback" not in said
        return str(said)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    for name in (ONE, OTHER):
        file = root / name / "data" / "test-00000-of-00001.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.table({"number": [(n * 7919) % 104729 for n in range(ROWS)]}), file, compression="none")
    return root


def load(hub: Hub, home: Path, *names: str, between: Any = None, **patience: float) -> Loaded:
    command = [sys.executable, "-W", "ignore", "-c", LOAD, json.dumps({"tries": 3, **patience}), REVISION, *names]
    with subprocess.Popen(
        command,
        env=hub.environment(home),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            if between:
                between(process)
            out, err = process.communicate("go\n", timeout=120)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, err[-2000:]
    return Loaded(**json.loads(out.splitlines()[-1]))


def served(root: Path, **trouble: Any) -> Hub:
    return Hub(root, trouble=Trouble(**trouble))


@pytest.mark.parametrize(
    "trouble",
    [
        {"suffix": ".parquet", "status": 500, "times": 1},
        {"suffix": ".parquet", "status": 503, "times": 2},
        {"status": 500, "every": 3},
        {"suffix": ".parquet", "cut": True, "times": 1},
        {"suffix": ".parquet", "status": 429, "times": 1, "headers": {"Retry-After": "7"}},
        {"suffix": ".parquet", "spoil": True, "times": 1},
    ],
    ids=["one 500", "two 503", "500 on every third request", "one cut body", "one 429", "one wrong hash"],
)
def test_what_passes_is_passed_over(root: Path, tmp_path: Path, trouble: dict[str, Any]) -> None:
    with served(root, **trouble) as hub:
        found = load(hub, tmp_path, ONE)
        assert hub.trouble and hub.trouble.struck > 0
    assert found.results[0]["rows"] == ROWS, found.results[0]["error"]


LASTING: dict[str, tuple[dict[str, Any], tuple[str, ...], int]] = {
    "403": ({"status": 403}, ("the hub answered 403: ", "you are not allowed to read it: accept its terms"), 0),
    "401": ({"status": 401}, ("the hub answered 401: ", "log in with `hf auth login`, or set HF_TOKEN"), 0),
    "500": ({"status": 500}, ("the hub answered 500: ", "that is trouble of its own: run again later"), 2),
    "500 in a parquet": (
        {"suffix": ".parquet", "status": 500},
        ("the hub answered 500: ", "that is trouble of its own: run again later", "--mieb-data"),
        2,
    ),
    "429": (
        {"status": 429, "headers": {"Retry-After": "5"}},
        ("the hub answered 429: ", "too many requests came from here: wait, log in for a higher limit"),
        2,
    ),
    "cut": ({"suffix": ".parquet", "cut": True}, ("the hub broke off in the middle of a file; run again later",), 2),
    "wrong hash": (
        {"suffix": ".parquet", "spoil": True},
        ("the hub sent a file whose content is not what it lists: ", "has another sha256; run again later"),
        2,
    ),
}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_told_as_what_it_is(root: Path, tmp_path: Path, fault: str) -> None:
    trouble, sentences, warnings = LASTING[fault]
    with served(root, **trouble) as hub:
        found = load(hub, tmp_path, ONE)
    for sentence in (f"dataset {ONE} (revision {REVISION}) cannot be read from the hub: ", *sentences):
        assert sentence in found.error
    assert "damaged" not in found.error and "delete it from the cache" not in found.error
    assert len(found.warned) == warnings
    for sentence in found.warned:
        assert sentence.startswith(f"dataset {ONE}: the hub ") and "; asked again in " in sentence


def test_a_wait_that_the_hub_asks_for_is_waited(root: Path, tmp_path: Path) -> None:
    with served(root, status=429, headers={"Retry-After": "41"}, suffix=".parquet") as hub:
        found = load(hub, tmp_path, ONE)
    assert found.slept.count(41.0) >= 2


def test_one_that_is_too_long_is_not(root: Path, tmp_path: Path) -> None:
    with served(root, status=429, headers={"Retry-After": "3600"}, suffix=".parquet") as hub:
        found = load(hub, tmp_path, ONE, longest_wait=60)
    assert found.warned == [] and "the hub answered 429" in found.error


@pytest.mark.parametrize("name", [ONE])
def test_a_hub_that_feeds_a_byte_at_a_time_is_left_and_not_waited_for_again(
    root: Path, tmp_path: Path, name: str
) -> None:
    with served(root, suffix=".parquet", drip=0.2) as hub:
        found = load(hub, tmp_path, name, name, stall=2)
    first, second = found.results
    assert "the hub sent nothing for a long time: no progress for 2 seconds" in first["error"]
    assert "not waited for again in this run" in second["error"]
    assert first["seconds"] < 20 and second["seconds"] < 2


def test_a_hub_that_is_gone_is_asked_rarely_and_what_is_cached_still_loads(root: Path, tmp_path: Path) -> None:
    with Hub(root) as hub:
        assert load(hub, tmp_path, ONE).results[0]["rows"] == ROWS
    found = load(hub, tmp_path, OTHER, ONE, OTHER)
    first, cached, again = found.results
    assert "the hub was not reached" in first["error"]
    assert cached["rows"] == ROWS
    assert "it is not cached, and the hub was not reached; run again later" in again["error"]
    assert "asked in vain before, and not again for a while" in again["error"]
    assert again["seconds"] < 2
    assert len(found.warned) == 2


def test_a_hub_that_fails_for_all_is_let_alone(root: Path, tmp_path: Path) -> None:
    with served(root, status=503) as hub:
        found = load(hub, tmp_path, ONE, OTHER, ONE)
    first, second, third = (result["error"] for result in found.results)
    assert "not again for a while" not in first and "the hub answered 503" in first
    assert "the hub answered 503" in second
    assert "it is not cached, and the hub answered 503" in third and "not again for a while" in third
    assert found.results[2]["seconds"] < 2


def test_a_split_that_is_not_there_is_not_asked_for_again(root: Path, tmp_path: Path) -> None:
    with Hub(root) as hub:
        found = load(hub, tmp_path, "mini/none")
    assert found.warned == [] and "it or its revision does not exist there" in found.error
