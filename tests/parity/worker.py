"""Measure both implementations on some tasks, in a process that reads everything from one hub.

Writes one JSON line a task and model. Started by `tests.parity.run`.
"""

from __future__ import annotations

import argparse
import json
import logging
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from pytest_mieb.data.hub import Hub
from pytest_mieb.embedding import Pipeline
from pytest_mieb.models import load_embedder
from pytest_mieb.protocols import needs
from pytest_mieb.runtime.evaluation import evaluate
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from tests.parity.comparison import Mode, Scores, agrees, difference
from tests.parity.embeddings import Agreement, Remembering, Table, agreement

BATCH_SIZE = 64


@dataclass
class Measurement:
    """One task with one model: what each side scored, by the embeddings it scored them on.

    `own` is the reference's score of what its own wrapper gives; `same` that of our embeddings, which is `own` again
    where no bit of the embeddings differs; `rescored` is our score of what the reference's wrapper gave, where `own` is
    too far from `ours`.
    """

    task: str
    model: str
    ours: Scores | None = None
    own: Scores | None = None
    same: Scores | None = None
    rescored: Scores | None = None
    agreement: Agreement | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        content = json.loads(text)
        for name in ("ours", "own", "same", "rescored"):
            content[name] = content[name] and Scores(**content[name])
        content["agreement"] = content["agreement"] and Agreement(**content["agreement"])
        return cls(**content)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and write down what it raises."""
        started = perf_counter()
        try:
            yield
        except Exception as error:
            self.errors[name] = f"{type(error).__name__}: {error}"[:600]
            logging.getLogger("parity").warning(traceback.format_exc())
        self.seconds[name] = round(perf_counter() - started, 2)


class Model:
    """One model as each side runs it."""

    def __init__(self, name: str, folder: Path) -> None:
        from tests.parity import reference

        self.name = name
        self.ours, self.theirs = Table(), Table()
        remembering = Remembering(self.ours, load_embedder(str(folder)))
        self._remembering, self._replaying = remembering, Remembering(self.theirs)
        self.wrapper = reference.own_wrapper(folder, self.theirs)
        self.same = reference.SameEmbeddings(remembering)
        self.modalities = remembering.modalities

    @property
    def pipeline(self) -> Pipeline:
        """One that has embedded nothing yet."""
        return Pipeline(self._remembering, batch_size=BATCH_SIZE)

    @property
    def replay(self) -> Pipeline:
        """One that gives what the reference embedded."""
        return Pipeline(self._replaying, batch_size=BATCH_SIZE)


def measure(task: Task, load: Callable[[], Any], model: Model, modes: Collection[Mode]) -> Measurement:
    """Score one task with one model in all ways that `modes` ask for."""
    from tests.parity import reference

    found = Measurement(task.name, model.name)
    source = Hub(checks_sizes=False)
    model.ours.forget_task()
    model.theirs.forget_task()
    with found.step("ours"):
        found.ours = _scores(task, source, model.pipeline)
    with found.step("load"):
        theirs = load()
    if "load" in found.errors:
        return found
    if "own" in modes:
        with found.step("own"):
            found.own = reference.score(theirs, model.wrapper, BATCH_SIZE)
            found.agreement = agreement(model.theirs, model.ours)
        if found.own and found.ours and not agrees(difference(found.own, found.ours, task.name), "own", task.protocol):
            with found.step("rescored"):
                found.rescored = _scores(task, source, model.replay)
    if "same" in modes and found.own and found.agreement and found.agreement.identical:
        found.same = found.own
    elif "same" in modes:
        with found.step("same"):
            found.same = reference.score(theirs, model.same, BATCH_SIZE)
    return found


def _scores(task: Task, source: Hub, pipeline: Pipeline) -> Scores:
    result = evaluate(task, source, pipeline)
    return Scores(result.score, {name: dict(subset.scored.metrics) for name, subset in result.subsets.items()})


def _once(load: Callable[[], Any]) -> Callable[[], Any]:
    loaded: list[Any] = []

    def get() -> Any:
        if not loaded:
            loaded.append(load())
        return loaded[0]

    return get


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--models", nargs="+", required=True, help="name=folder")
    parser.add_argument("--modes", nargs="+", choices=("own", "same"), required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    import datasets
    import torch
    import transformers

    from tests.parity import reference

    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("mteb").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    models = [Model(name, Path(folder)) for name, _, folder in (text.partition("=") for text in options.models)]
    tasks: Mapping[str, Task] = load_tasks()
    with options.output.open("w") as output:
        for name in options.tasks:
            load = _once(partial(reference.load, name))
            for model in models:
                if not needs(tasks[name]) <= model.modalities:
                    continue
                print(measure(tasks[name], load, model, options.modes).to_json(), file=output, flush=True)


if __name__ == "__main__":
    main()
