"""Start the hub and the workers, and gather what they measure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_mieb.suite import Task
from tests.hub import Hub
from tests.parity.comparison import Mode
from tests.parity.models import build_dinov2, build_open_clip, build_siglip, in_float32
from tests.parity.worker import Measurement

BUILDERS = {"siglip": build_siglip, "open_clip": build_open_clip, "dinov2": build_dinov2}
ROOT = Path(__file__).resolve().parents[2]


def model_folder(name: str, work: Path) -> Path:
    """The folder of a model that both sides load: the miniature's, one of `BUILDERS`, or a folder, in float32."""
    if name in BUILDERS:
        return BUILDERS[name](work / name)
    if name == "miniature":
        from pytest_mieb.miniature import MODEL_DIR

        return in_float32(MODEL_DIR, work / "miniature-float32")
    given = Path(name).resolve()
    return in_float32(given, work / f"{given.name}-float32")


def shares(tasks: Collection[Task], workers: int) -> list[list[str]]:
    """Split tasks among workers: all tasks of one dataset go to one worker, the most subsets first."""
    by_dataset: dict[str, list[Task]] = {}
    for task in tasks:
        by_dataset.setdefault(task.dataset.path, []).append(task)
    split: list[list[str]] = [[] for _ in range(workers)]
    load = [0] * workers
    for group in sorted(by_dataset.values(), key=lambda group: (-sum(map(_weight, group)), group[0].name)):
        lightest = load.index(min(load))
        split[lightest] += [task.name for task in group]
        load[lightest] += sum(map(_weight, group))
    return [names for names in split if names]


def _weight(task: Task) -> int:
    return len(task.subsets) + task.scoring.get("n_experiments", 1)


def measure_all(
    tasks: Mapping[str, Task],
    models: Sequence[str],
    modes: Sequence[Mode],
    mirror: Path,
    work: Path,
    workers: int = 2,
) -> list[Measurement]:
    """Measure every task with every model, over a hub that serves `mirror`; in the order of `tasks`.

    Raises:
        RuntimeError: a worker died; the message holds the end of what it said.
    """
    work.mkdir(parents=True, exist_ok=True)
    folders = [f"{name}={model_folder(name, work)}" for name in models]
    found: list[Measurement] = []
    with Hub(mirror) as hub, TemporaryDirectory(prefix="hf", dir=work) as home:
        running = []
        for number, names in enumerate(shares(tasks.values(), workers)):
            output, log = work / f"worker{number}.jsonl", work / f"worker{number}.log"
            command = [sys.executable, "-m", "tests.parity.worker", "--tasks", *names, "--models", *folders]
            command += ["--modes", *modes, "--output", str(output)]
            with log.open("w") as said:
                process = subprocess.Popen(
                    command, cwd=ROOT, env=_environment(hub, Path(home)), stdout=said, stderr=subprocess.STDOUT
                )
            running.append((process, output, log))
        codes = [process.wait() for process, _, _ in running]
    for code, (_, output, log) in zip(codes, running, strict=True):
        if code:
            raise RuntimeError(f"a worker ended with {code}; {log} ends:\n{log.read_text()[-2000:]}")
        found += [Measurement.from_json(line) for line in output.read_text().splitlines()]
    order = list(tasks)
    return sorted(found, key=lambda one: (list(models).index(one.model), order.index(one.task)))


def _environment(hub: Hub, home: Path) -> dict[str, str]:
    """A cache of its own, for a pinned revision stays cached when a mirror changes; one thread a worker, for the
    reference's fits change with the number of threads.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return hub.environment(home) | threads | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"}
