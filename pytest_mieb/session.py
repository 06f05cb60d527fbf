"""One run of the suite in one process: what the hooks and fixtures share."""

from __future__ import annotations

import difflib
import shutil
import warnings
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

from pytest_mieb import distribution
from pytest_mieb.gate.baseline import Baseline, BaselineError
from pytest_mieb.gate.baseline import read as read_baseline
from pytest_mieb.record import TaskRecord
from pytest_mieb.suite import CardError, Task, load_tasks

if TYPE_CHECKING:
    from pytest_mieb.data import Source
    from pytest_mieb.embedding import Pipeline
    from pytest_mieb.evaluation import TaskResult
    from pytest_mieb.gate.verdict import Verdict
    from pytest_mieb.models import Description, Embedder
    from pytest_mieb.settings import Settings


class MiebSession:
    """Loads each thing when it is first asked for: collecting the suite imports neither torch nor datasets."""

    def __init__(self, settings: Settings, worker: distribution.Worker | None) -> None:
        self.settings = settings
        self.worker = worker
        self._results: dict[str, TaskResult] = {}
        self._scratch: Path | None = None
        try:
            self.tasks = load_tasks(settings.tasks)
            stored = settings.baseline
            self.stored = read_baseline(stored) if stored and stored.is_file() else None
        except (CardError, BaselineError) as error:
            raise pytest.UsageError(str(error)) from error
        if self.stored and self.stored.data != settings.data_kind:
            raise pytest.UsageError(
                f"{stored}: recorded on {self.stored.data} data, while this run reads {settings.data_kind} data; "
                "scores of different data do not compare: choose another --mieb-baseline, or none"
            )

    @property
    def baseline(self) -> Baseline | None:
        """What this run is compared with: nothing while it records or only measures."""
        return None if self.settings.update else self.stored

    def task(self, name: str) -> Task:
        try:
            return self.tasks[name]
        except KeyError:
            near = ", ".join(difflib.get_close_matches(name, self.tasks, n=3))
            raise pytest.UsageError(f"no MIEB task {name!r}{f'; near are {near}' if near else ''}") from None

    @cached_property
    def device(self) -> str:
        return distribution.choose_device(self.settings.device, self.worker)

    @cached_property
    def embedder(self) -> Embedder:
        """The loaded model. Raises ModelError."""
        device = self.device
        from pytest_mieb.models import load_embedder

        distribution.share_processors(self.worker)
        settings = self.settings
        _silence(with_transformers=settings.model.kind != "factory")
        return load_embedder(
            settings.model,
            revision=settings.revision,
            device=device,
            dtype=settings.dtype,
            trust_remote_code=settings.trust_remote_code,
            processor=settings.processor,
            options=settings.model_args,
            max_cost=self._share_of_cost,
        )

    @property
    def _share_of_cost(self) -> float | None:
        """What this process may spend: workers know nothing of each other's requests."""
        limit = self.settings.max_cost
        return limit / self.worker.count if limit and self.worker else limit

    @property
    def description(self) -> Description | None:
        """What was loaded; None while nothing is, or where the model says nothing of itself."""
        return self.embedder.description if "embedder" in self.__dict__ else None

    @cached_property
    def source(self) -> Source:
        from pytest_mieb.data import open_source

        return open_source(self.settings.data, self.settings.cache, _warn)

    @cached_property
    def pipeline(self) -> Pipeline:
        from pytest_mieb.embedding import Pipeline, Store

        embedder, size = self.embedder, self.settings.batch_size
        if embedder.fingerprint:
            folder = self.settings.cache / "embeddings" / f"{embedder.fingerprint}-{size}"
        else:
            folder = self._scratch = Path(mkdtemp(prefix="pytest-mieb-"))
        return Pipeline(embedder, Store(folder), size)

    def close(self) -> None:
        """Remove the embeddings of a model without fingerprint: they are good for this run only."""
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def header(self) -> str:
        """The one line at the top of a run."""
        settings = self.settings
        against = self.baseline.model if self.baseline else "none"
        if settings.update:
            against = f"being recorded in {settings.baseline}"
        return (
            f"mieb: model {settings.model.text}, data {settings.data}, baseline {against}, device {settings.device}, "
            f"{f'{settings.dtype}, ' if settings.dtype else ''}batches of {settings.batch_size}"
        )

    def load_or_refuse(self) -> None:
        """Load the model now; one that cannot be loaded is a usage error."""
        from pytest_mieb.models import ModelError

        try:
            self.embedder  # noqa: B018 - loaded for its effect
        except ModelError as error:
            raise pytest.UsageError(str(error)) from error

    def cost_line(self, selected: Collection[str]) -> str | None:
        """For a model behind an API: what the selected tasks may cost at most; None for all others.

        Datasets are counted by the rows that their cards expect, each as one picture of the largest size that is paid
        for; what the store holds already costs nothing.
        """
        if self.settings.model.kind != "voyage":
            return None
        from pytest_mieb.distribution import costs_of

        self.load_or_refuse()
        rows = sum(costs_of({name: self.tasks[name] for name in selected}).values())
        most = self.embedder.estimate({"image": rows})  # type: ignore[attr-defined]
        limit = self.settings.max_cost
        stop = f"stops at ${limit:.2f}" if limit else "give --mieb-max-cost to stop earlier"
        return f"mieb cost: up to about ${most:.2f} for {rows:,} rows of data; {stop}"

    def recognise_or_refuse(self) -> None:
        """Look at the model's folder without loading it, where workers will: one usage error instead of one a task."""
        from pytest_mieb.models import ModelError
        from pytest_mieb.models.recognition import recognise

        spec = self.settings.model
        try:
            if spec.kind == "folder":
                recognise(Path(spec.target), transformers=spec.text.startswith("hf:"))
        except ModelError as error:
            raise pytest.UsageError(str(error)) from error

    def record(self, records: Collection[TaskRecord]) -> list[str]:
        """Record the scores in the baseline; the lines say what changed."""
        from pytest_mieb.gate.recording import record
        from pytest_mieb.report.files import versions

        settings = self.settings
        assert settings.baseline is not None
        return record(
            settings.baseline,
            records,
            model=settings.model.text,
            revision=settings.revision,
            data=settings.data_kind,
            versions=versions(),
        )

    def lacks(self, task: Task) -> str | None:
        """Why the model cannot do the task, or None where it can."""
        missing = task.needs - self.embedder.modalities
        return f"{self.settings.model.text} embeds no {' and no '.join(sorted(missing))}" if missing else None

    def result(self, task: Task) -> TaskResult:
        """Run the task, once in this process, and write its result files."""
        if task.name not in self._results:
            from pytest_mieb.evaluation import evaluate
            from pytest_mieb.report.files import write_result

            result = evaluate(task, self.source, self.pipeline, self.device)
            write_result(result, self.settings, self.embedder)
            self._results[task.name] = result
        return self._results[task.name]

    def verdict(self, result: TaskResult) -> Verdict:
        from pytest_mieb.gate.verdict import judge

        return judge(TaskRecord.of(result), self.baseline)


class MiebWarning(UserWarning):
    """Something that does not stop a run, but that whoever reads its scores should know."""


def _warn(sentence: str) -> None:
    warnings.warn(sentence, MiebWarning, stacklevel=2)


def _silence(*, with_transformers: bool) -> None:
    """No progress bars and no notes of the cache: they are noise in the log of a test run."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    if with_transformers:
        from transformers.utils import logging

        logging.disable_progress_bar()
