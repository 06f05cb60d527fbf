"""One run of the suite in one process: what the hooks and fixtures share."""

from __future__ import annotations

import difflib
import shutil
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

from pytest_mieb import distribution
from pytest_mieb.gate.baseline import Baseline, BaselineError
from pytest_mieb.suite import CardError, Task, load_tasks

if TYPE_CHECKING:
    from pytest_mieb.calibration import Calibration
    from pytest_mieb.canary import CanaryReport
    from pytest_mieb.data import Source
    from pytest_mieb.embedding import Pipeline
    from pytest_mieb.evaluation import TaskResult
    from pytest_mieb.gate.baseline import TaskBaseline
    from pytest_mieb.gate.comparison import Comparison
    from pytest_mieb.gate.context import Context
    from pytest_mieb.gate.policy import Family
    from pytest_mieb.gate.verdict import Verdict
    from pytest_mieb.models import Description, Embedder
    from pytest_mieb.report.run import Run
    from pytest_mieb.settings import Settings


class MiebSession:
    """Loads each thing when it is first asked for: collecting the suite imports neither torch nor datasets."""

    def __init__(self, settings: Settings, worker: distribution.Worker | None) -> None:
        self.settings = settings
        self.worker = worker
        self.selected: set[str] = set()
        self._results: dict[str, TaskResult] = {}
        self._measured: dict[str, TaskBaseline] = {}
        self._scratch: Path | None = None
        self._redrawn = False
        try:
            self.tasks = load_tasks(settings.tasks)
            self.stored = self._read_baseline()
        except (CardError, BaselineError) as error:
            raise pytest.UsageError(str(error)) from error
        if self.stored and self.stored.data != settings.data_kind:
            named = self.stored.model if self.stored.indicative else settings.baseline
            raise pytest.UsageError(
                f"{named}: recorded on {self.stored.data} data, while this run reads {settings.data_kind} "
                "data; scores of different data do not compare: choose another --mieb-baseline, or none"
            )
        self._refuse_strange_tolerances()

    def _refuse_strange_tolerances(self) -> None:
        from pytest_mieb.gate.policy import refuse_strange_tolerances

        try:
            refuse_strange_tolerances(self.settings.policy, self.tasks, "--mieb-")
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error

    def _read_baseline(self) -> Baseline | None:
        from pytest_mieb.gate.sides import open_baseline

        path = self.settings.baseline
        return open_baseline(path, self.tasks) if path and path.exists() else None

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
        return self._load()

    def _load(self, device: str | None = None, dtype: str | None = None) -> Embedder:
        """The model, on another device or in another dtype than the run's where they are given."""
        device = device or self.device
        from pytest_mieb.models import load_embedder

        distribution.share_processors(self.worker)
        settings = self.settings
        _silence(with_transformers=settings.model.kind != "factory")
        return load_embedder(
            settings.model,
            revision=settings.revision,
            device=device,
            dtype=dtype or settings.dtype,
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

        def warn(sentence: str) -> None:
            self._redrawn = True
            _warn(sentence)

        return open_source(self.settings.data, self.settings.cache, warn)

    @cached_property
    def pipeline(self) -> Pipeline:
        from pytest_mieb.embedding import Pipeline, Store

        embedder, size = self.embedder, self.settings.batch_size
        if embedder.fingerprint:
            folder = self.settings.cache / "embeddings" / f"{embedder.fingerprint}-{size}"
        else:
            folder = self._scratch_folder("embeddings")
        return Pipeline(embedder, Store(folder), size)

    @cached_property
    def calibration(self) -> Calibration:
        """The model under changes that must not matter; a factory's is what it returns, whatever is asked for."""
        from pytest_mieb.calibration import Calibration

        settings = self.settings
        folder = self._scratch_folder("calibration")
        load = None if settings.model.kind == "factory" else self._load
        return Calibration(
            settings.calibrate,
            self.embedder,
            load,
            folder,
            batch_size=settings.batch_size,
            device=self.device,
            dtype=self.context.dtype,
        )

    def _scratch_folder(self, name: str) -> Path:
        """A folder that is removed at the end of the run."""
        self._scratch = self._scratch or Path(mkdtemp(prefix="pytest-mieb-"))
        return self._scratch / name

    def close(self) -> None:
        """Remove what is good for this run only."""
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
        """Load the model and look at the environment, before anything is embedded; either may be a usage error."""
        from pytest_mieb.canary import CanaryError
        from pytest_mieb.models import ModelError

        try:
            self.embedder  # noqa: B018 - loaded for its effect
            self.canary  # noqa: B018
        except (ModelError, CanaryError) as error:
            raise pytest.UsageError(str(error)) from error

    def cost_line(self, selected: Collection[str]) -> str | None:
        """For a model behind an API: what the selected tasks may cost at most; None for all others.

        Datasets are counted by the rows that their cards expect, each as one picture of the largest size that is paid
        for; what the store holds already costs nothing.
        """
        if self.settings.model.kind != "voyage":
            return None
        from pytest_mieb.distribution import costs_of
        from pytest_mieb.models.api import Paid, dollars

        self.load_or_refuse()
        assert isinstance(self.embedder, Paid)
        rows = sum(costs_of({name: self.tasks[name] for name in selected}).values())
        most = self.embedder.estimate({"image": rows})
        limit = self.settings.max_cost
        stop = f"stops at {dollars(limit)}" if limit else "give --mieb-max-cost to stop earlier"
        return f"mieb cost: up to about {dollars(most)} for {rows:,} rows of data; {stop}"

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

    def finish(self, run: Run) -> None:
        """Write the verdict on the run, or record it."""
        if self.settings.update and run.records and run.context:
            run.notes += self.record({record.task: record.measured for record in run.ordered}, run.context)
        if run.decision and self.baseline:
            from pytest_mieb.report.files import write_verdict
            from pytest_mieb.report.verdict_file import content

            write_verdict(
                self.settings.results_of_model, content(run.decision, self.baseline, run.comparisons, run.policy)
            )
        elif run.records:  # a verdict of an earlier run would be taken for one on these results
            (self.settings.results_of_model / "verdict.json").unlink(missing_ok=True)

    def record(self, tasks: Mapping[str, TaskBaseline], context: Context) -> list[str]:
        """Record what was measured in the baseline; the lines say what changed."""
        from pytest_mieb.gate.recording import record

        settings = self.settings
        assert settings.baseline is not None
        return record(
            settings.baseline,
            tasks,
            context,
            settings.results_of_model,
            model=settings.model.text,
            revision=settings.revision,
            data=settings.data_kind,
        )

    def lacks(self, task: Task) -> str | None:
        """Why the model cannot do the task, or None where it can."""
        missing = task.needs - self.embedder.modalities
        return f"{self.settings.model.text} embeds no {' and no '.join(sorted(missing))}" if missing else None

    def result(self, task: Task) -> TaskResult:
        """Run the task, once in this process, and write its result files."""
        if task.name not in self._results:
            from pytest_mieb.evaluation import evaluate
            from pytest_mieb.gate.measuring import measured
            from pytest_mieb.report.files import write_result

            result = evaluate(task, self.source, self.pipeline, self.device)
            now = measured(result, self.context.name)
            now = replace(now, examples=self._drawn_content(task) or now.examples)
            others: Mapping[str, float] = {}
            if self.settings.calibrate:
                from pytest_mieb.calibration import spread

                others = self.calibration.scores(result, self.source)
                now = replace(now, spread=spread(result.score, others))
            write_result(result, now, self.settings, self.embedder, self.context, others)
            self._results[task.name], self._measured[task.name] = result, now
        return self._results[task.name]

    def _drawn_content(self, task: Task) -> str | None:
        """A dataset of the miniature by what is seen in it, for its files are drawn here, and their bytes are those of
        the image library; None for other data, and where the drawings are not the recorded ones.
        """
        if self.settings.data != "miniature" or self._redrawn:
            return None
        from pytest_mieb.miniature.content import expected

        return expected().get(task.dataset.path, "")[:16] or None

    def measured(self, result: TaskResult) -> TaskBaseline:
        """The result as it is recorded and compared."""
        return self._measured[result.task.name]

    @cached_property
    def context(self) -> Context:
        """What this process measures with."""
        from pytest_mieb.gate.context import Context
        from pytest_mieb.report.files import versions

        description = self.description
        return Context(
            fingerprint=self.embedder.fingerprint or "",
            preprocessing=description.preprocessing if description else {},
            device=distribution.device_class(self.device),
            dtype=(description.dtype if description else self.settings.dtype) or "",
            batch_size=self.settings.batch_size,
            canary=self.canary.moved if self.canary else (),
            versions=versions(),
        )

    @cached_property
    def canary(self) -> CanaryReport | None:
        """Whether the environment is the one that the package knows; None where the model is computed elsewhere."""
        from pytest_mieb.canary import check

        return None if self.settings.model.kind == "voyage" else check(self.device)

    @property
    def canary_sentence(self) -> str:
        """What is wrong with the environment, or that it is the baseline's that was."""
        return (self.canary and self.canary.sentence) or (
            "the environment moved, not the model: the canary is as it should be now, and was not when the baseline "
            "was recorded; record it anew with --mieb-update"
        )

    @cached_property
    def family(self) -> Family:
        """All comparisons of this run, known once the items are collected."""
        from pytest_mieb.gate.policy import Family

        return Family.of(self.selected, self.tasks)

    def compare(self, result: TaskResult) -> Comparison | None:
        """The result beside the baseline's; None where nothing is to be compared.

        Raises:
            IncomparableError, BaselineError: the baseline lacks the task, or nothing can be said of the two.
        """
        from pytest_mieb.gate.comparison import IncomparableError, Side, compare
        from pytest_mieb.gate.measuring import examples_of
        from pytest_mieb.gate.sides import examples_of as examples_in

        baseline, task = self.baseline, result.task
        if baseline is None or task.name in baseline.unusable:
            return None
        if task.name not in baseline.tasks:
            raise IncomparableError(
                f"{task.name}: no baseline in {baseline.model}; scored {100 * result.score:.2f}\n"
                f"record it with --mieb-update -k {task.name}"
            )
        recorded = baseline.context(task.name)
        if self.context.canary != (recorded.canary if recorded else ()):
            raise IncomparableError(f"{task.name}: {self.canary_sentence}")
        old = Side(baseline.tasks[task.name], recorded, examples_in(baseline, task.name))
        new = Side(self.measured(result), self.context, examples_of(result))
        return compare(task, old, new, self.settings.policy)

    def verdict(self, result: TaskResult, comparison: Comparison | None) -> Verdict:
        """The verdict on a task by itself; what many tasks together show is decided when all are in."""
        from pytest_mieb.gate.verdict import Verdict, judge

        if comparison is None:
            return Verdict("measured", result.score)
        return judge(comparison, self.settings.policy, self.family)


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
