"""Pictures that other processes prepare are the same to the bit, and whatever goes wrong there costs time at most."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from pytest_mieb.data import DatasetError
from pytest_mieb.data.decoding import Decoding
from pytest_mieb.data.inputs import Images, Inputs
from pytest_mieb.data.rgb import MODES
from pytest_mieb.embedding import Pipeline, Store
from pytest_mieb.embedding.executors import InProcess
from pytest_mieb.embedding.processes import Processes
from pytest_mieb.embedding.reading import Reader
from pytest_mieb.models import load_embedder
from pytest_mieb.support.seconds import Seconds
from tests.data.mirrors import encoded, whole
from tests.models.builders import build_clip

SIZE = 8


class Noting(Processes):
    """Notes what became of each batch."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.prepared: list[bool] = []

    def prepare(self, *arguments: Any) -> tuple[Mapping[str, Any], Seconds] | None:
        found = super().prepare(*arguments)
        self.prepared.append(found is not None)
        return found


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_embedder(str(build_clip(tmp_path_factory.mktemp("models") / "clip")))


@pytest.fixture
def processes(embedder: Any) -> Iterator[Noting]:
    found = Noting(2)
    found.start(embedder)
    while not found.ready_for(embedder):
        sleep(0.05)
    yield found
    found.close()


def drawn(count: int, damaged: Sequence[int] = ()) -> Inputs:
    """Pictures of many sizes and modes, some of which are no pictures."""
    random = np.random.default_rng(0)
    files = []
    for number in range(count):
        levels = random.integers(0, 256, (20 + number, 60, 4), dtype=np.uint8)
        picture = Image.fromarray(levels).convert(("RGB", "RGBA", "L", "P", "LA")[number % 5])
        file = b"no picture" if number in damaged else encoded(picture)
        files.append({"bytes": file, "path": None})
    rows = datasets.Dataset.from_dict({"image": files}, datasets.Features({"image": datasets.Image()}))
    return Inputs(images=Images(whole(rows), "image"))


def embedded(embedder: Any, inputs: Inputs, processes: Processes | None) -> Any:
    pipeline = Pipeline(embedder, Store(None), executor=InProcess(SIZE, Reader(2, processes, many=1)))
    return pipeline.embed(inputs)


def test_embeddings_are_the_same_to_the_bit_whatever_mode_the_model_takes(
    embedder: Any, processes: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = drawn(5 * SIZE + 3)
    found = []
    for mode in MODES:
        monkeypatch.setattr(embedder, "image_mode", mode)
        found.append(embedded(embedder, inputs, processes))
        assert np.array_equal(found[-1], embedded(embedder, inputs, None))
    assert processes.prepared == [True] * 6 * len(MODES)
    any_mode, without_alpha, on_white = found
    assert np.array_equal(any_mode, on_white) and not np.array_equal(any_mode, without_alpha)


def test_the_time_that_they_take_is_known(embedder: Any, processes: Noting) -> None:
    pipeline = Pipeline(embedder, Store(None), executor=InProcess(SIZE, Reader(2, processes, many=1)))
    pipeline.embed(drawn(SIZE))
    seconds = pipeline.counts.seconds
    assert processes.prepared == [True] and seconds.decode > 0 and seconds.preprocess > 0


def test_a_damaged_picture_is_the_same_error(embedder: Any, processes: Noting) -> None:
    with pytest.raises(DatasetError, match="of no format that Pillow knows") as found:
        embedded(embedder, drawn(2 * SIZE, damaged=[SIZE + 1]), processes)
    assert str(SIZE + 1) in str(found.value)
    assert sorted(processes.prepared) == [False, True]


def test_a_process_that_is_killed_costs_nothing_but_time(embedder: Any, processes: Noting) -> None:
    pool = processes._pool
    assert pool
    os.kill(next(iter(pool._processes)), signal.SIGKILL)
    inputs = drawn(2 * SIZE)
    assert np.array_equal(embedded(embedder, inputs, processes), embedded(embedder, inputs, None))


def test_where_memory_is_full_files_go_to_the_disk(embedder: Any, processes: Noting) -> None:
    processes._scratch[0].remove()
    inputs = drawn(SIZE)
    assert np.array_equal(embedded(embedder, inputs, processes), embedded(embedder, inputs, None))
    assert processes.prepared == [True]


def test_nothing_is_left_behind(embedder: Any) -> None:
    processes = Noting(1)
    processes.start(embedder)
    folders = [scratch.folder for scratch in processes._scratch]
    while not processes.ready_for(embedder):
        sleep(0.05)
    embedded(embedder, drawn(SIZE), processes)
    pool = processes._pool
    assert pool and processes.prepared == [True]
    workers = list(pool._processes)
    processes.close()
    assert ended(workers)
    assert not any(folder.exists() for folder in folders)


class Plain:
    """An embedder of other make."""

    image_mode = "any"


class Held(Plain):
    def preparing_apart(self) -> Any:
        return partial(print, (each for each in ""))


@pytest.mark.parametrize("embedder", [Plain(), Held()])
def test_a_model_whose_preprocessing_cannot_leave_starts_none(embedder: Any) -> None:
    processes = Processes(2)
    processes.start(embedder)
    assert processes._pool is None and not processes.ready_for(embedder)
    assert processes.prepare(embedder, [({"bytes": b"", "path": None}, Decoding())], 1) is None


SCRIPT = """
import sys
from pathlib import Path
from time import sleep
Path(sys.argv[1], f"run by {id(sys)}").touch()
from pytest_mieb.embedding.processes import Processes
from pytest_mieb.models import load_embedder
from pytest_mieb.support.seconds import Seconds
embedder = load_embedder(sys.argv[2])
processes = Processes(2)
processes.start(embedder)
while not processes.ready_for(embedder):
    sleep(0.05)
print(*processes._pool._processes, flush=True)
sleep(60)
"""


def test_a_script_is_not_run_again_and_its_processes_end_with_it(tmp_path: Path) -> None:
    model = build_clip(tmp_path / "clip")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    runs = tmp_path / "runs"
    runs.mkdir()
    with subprocess.Popen([sys.executable, script, runs, model], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        workers = list(map(int, running.stdout.readline().split()))
        running.kill()
    assert len(workers) == 2 and len(list(runs.iterdir())) == 1
    assert ended(workers)


def ended(processes: Sequence[int]) -> bool:
    """Whether they end within some seconds."""
    for _ in range(100):
        if not any(map(_runs, processes)):
            return True
        sleep(0.1)
    return False


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False
