"""One run of the suite in one process: what the hooks and fixtures share."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mieb.measurement.baseline import Baseline, BaselineError
from pytest_mieb.models.spec import file_name
from pytest_mieb.runtime.evaluator import Evaluator
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import CardError, load_tasks
from pytest_mieb.support import garbage
from pytest_mieb.support.extensions import ExtensionError

if TYPE_CHECKING:
    from pytest_mieb.gate.comparison import Comparison
    from pytest_mieb.gate.policy import ComparisonFamily
    from pytest_mieb.gate.verdict import Verdict
    from pytest_mieb.measurement.baseline import Measurement
    from pytest_mieb.measurement.context import Context
    from pytest_mieb.measurement.result import TaskResult
    from pytest_mieb.models import Embedder
    from pytest_mieb.report.run import Run
    from pytest_mieb.report.view import View
    from pytest_mieb.runtime.devices import Worker
    from pytest_mieb.runtime.settings import Settings


class MiebSession:
    """The tasks, the baseline, and the evaluator that this process measures with."""

    def __init__(self, settings: Settings, worker: Worker | None) -> None:
        self.settings = settings
        self.worker = worker
        self.evaluator = Evaluator(settings, worker)
        self.selected: set[str] = set()
        try:
            self.tasks = load_tasks(settings.tasks)
            self.stored = self._read_baseline()
        except (CardError, BaselineError, ExtensionError) as error:
            raise pytest.UsageError(str(error)) from error
        if self.stored and self.stored.data != settings.data_kind:
            named = self.stored.model if self.stored.indicative else settings.baseline
            raise pytest.UsageError(
                f"{named} was recorded on {self.stored.data} data, while this run reads {settings.data_kind} "
                "data; scores of different data cannot be compared: choose another --mieb-baseline, or none"
            )
        self._refuse_unknown_tolerances()

    def _refuse_unknown_tolerances(self) -> None:
        from pytest_mieb.gate.policy import refuse_unknown_tolerances

        try:
            refuse_unknown_tolerances(self.settings.policy, self.tasks, "--mieb-")
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error

    def _read_baseline(self) -> Baseline | None:
        from pytest_mieb.measurement.opening import open_baseline

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
            raise pytest.UsageError(f"there is no MIEB task {name!r}{f'; near are {near}' if near else ''}") from None

    def header(self) -> str:
        """The one line at the top of a run."""
        settings = self.settings
        against = self._named() if self.baseline else "none"
        if settings.update:
            against = f"being recorded in {settings.baseline}"
        return (
            f"mieb: model {settings.model.text}, data {settings.data}, baseline {against}, device {settings.device}, "
            f"{f'{settings.dtype}, ' if settings.dtype else ''}batches of {settings.batch_size}"
            f"{'' if settings.store_dtype == 'float32' else f', stored in {settings.store_dtype}'}"
        )

    def _named(self) -> str:
        """The baseline as the user named it, and the model that it was recorded with, where that is not its name."""
        assert self.stored and self.settings.baseline
        model, name = self.stored.model, self.settings.baseline.stem
        of_its_own = name in (Path(model).name, file_name(model))
        return model if self.stored.indicative or of_its_own else f"{name} (of {model})"

    def load_or_refuse(self) -> None:
        """Load the model, and look at it and at the environment, before anything is embedded: usage errors, if any."""
        from pytest_mieb.canary import CanaryError
        from pytest_mieb.models import ModelError

        self.reach_or_refuse()
        try:
            with garbage.kept():
                self.embedder  # noqa: B018 - loaded for its effect
                self.evaluator.canary  # noqa: B018
        except (ModelError, CanaryError) as error:
            raise pytest.UsageError(str(error)) from error

    @cached_property
    def embedder(self) -> Embedder:
        """The loaded model, which was seen to give an item the same embedding whatever lies beside it.

        Raises ModelError.
        """
        with garbage.kept():
            self.evaluator.probes  # noqa: B018 - looked at for its errors
            return self.evaluator.embedder

    def claims_of_the_dead(self, run_id: str) -> list[str]:
        """What workers of this run that died were embedding, a sentence each."""
        from pytest_mieb.embedding import CLAIMS, Claims

        lost = Claims(self.settings.cache / CLAIMS, run_id).lost()
        return [f"it may have died of what it was embedding: {claim.about}" for claim in lost]

    def reach_or_refuse(self) -> None:
        """Look whether the place in which embeddings are shared is there: a usage error where it is not."""
        if self.settings.store is None:
            return
        from pytest_mieb.embedding import SharedError

        try:
            if shared := self.evaluator.shared:
                shared.reach()
        except SharedError as error:
            raise pytest.UsageError(f"--mieb-store={error}") from error

    def cost_line(self, selected: Collection[str]) -> str | None:
        """For a model behind an API: what the selected tasks may cost at most; None for all others.

        Datasets are counted by the rows that their cards expect, each as one picture of the largest size that is paid
        for; what the store holds already costs nothing.
        """
        if not self.settings.kind.metered:
            return None
        from pytest_mieb.models.api import Paid, dollars
        from pytest_mieb.suite.costs import rows_of

        self.load_or_refuse()
        embedder = self.evaluator.embedder
        assert isinstance(embedder, Paid)
        rows = rows_of({name: self.tasks[name] for name in selected})
        most = embedder.estimate({"image": rows})
        limit = self.settings.max_cost
        stop = f"stops at {dollars(limit)}" if limit else "give --mieb-max-cost to stop earlier"
        return f"mieb cost: up to about {dollars(most)} for {rows:,} rows of data; {stop}"

    def sweep(self) -> None:
        """Remove what earlier runs left that were killed while they wrote."""
        from pytest_mieb.embedding import claims
        from pytest_mieb.support import atomic as whole
        from pytest_mieb.support import scratch

        settings, baseline = self.settings, self.settings.baseline
        scratch.sweep()
        whole.sweep(settings.results_of_model)
        whole.sweep(settings.cache / "hashes")
        claims.sweep(settings.cache / claims.CLAIMS)
        if baseline and settings.update:
            whole.sweep(baseline.parent)
            whole.sweep(baseline.with_suffix(""))

    def recognise_or_refuse(self) -> None:
        """Look at the model's files without loading it, where workers will: one usage error instead of one a task."""
        from pytest_mieb.models import ModelError
        from pytest_mieb.models.request import Request

        self.reach_or_refuse()
        settings = self.settings
        request = Request(
            settings.model.text, trust_remote_code=settings.trust_remote_code, options=settings.model_args
        )
        try:
            settings.kind.look(settings.model, request)
        except ModelError as error:
            raise pytest.UsageError(str(error)) from error

    def ask(self, names: Collection[str]) -> None:
        """Say which tasks the run is asked for, in whatever process."""
        from pytest_mieb.suite.costs import seconds_of

        tasks = [self.tasks[name] for name in self.tasks if name in names]
        self.evaluator.ask(sorted(tasks, key=lambda task: -seconds_of(task, self.known_seconds)))

    @cached_property
    def known_seconds(self) -> Mapping[str, float]:
        """How long tasks took in earlier runs on the same data."""
        from pytest_mieb.runtime.timings import known_seconds

        return known_seconds(self.settings.cache, self.settings.data)

    def record_run(self, run: Run) -> None:
        """Record what was measured in the baseline; where that fails, the run says so."""
        if not (self.settings.update and run.records and run.context):
            return
        try:
            run.notes += self.record({record.task: record.measured for record in run.ordered}, run.context)
        except (BaselineError, OSError) as error:
            run.unrecorded = f"nothing was recorded: {error}\nthe results are in {self.settings.results_of_model}"

    def finish(self, run: Run) -> View:
        """Write the verdict on the run; the view is of all that there is to say of it."""
        from pytest_mieb.measurement.results import remove_verdict, write_verdict
        from pytest_mieb.report.verdict_file import content
        from pytest_mieb.report.view import of_run
        from pytest_mieb.runtime.timings import learn_seconds

        learn_seconds(self.settings.cache, self.settings.data, run.ordered, self.tasks)
        folder, view = self.settings.results_of_model, of_run(run)
        try:
            if view.state:
                write_verdict(folder, content(view))
            elif run.records:
                remove_verdict(folder)
        except OSError as error:
            unwritten = f"the verdict cannot be written in {folder} ({error.strerror or error}); it stands here only"
            return replace(view, notes=(*view.notes, unwritten))
        return view

    def record(self, tasks: Mapping[str, Measurement], context: Context) -> list[str]:
        """Record what was measured in the baseline; the lines say what changed."""
        from pytest_mieb.measurement.recording import record

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

    @cached_property
    def family(self) -> ComparisonFamily:
        """All comparisons of this run, known once the items are collected."""
        from pytest_mieb.gate.policy import ComparisonFamily

        return ComparisonFamily.of(self.selected, self.tasks)

    def compare(self, result: TaskResult) -> Comparison | None:
        """The result beside the baseline's; None where nothing is to be compared.

        Raises:
            IncomparableError, BaselineError: the baseline lacks the task, or nothing can be said of the two.
        """
        from pytest_mieb.gate.comparison import IncomparableError, Measured, compare
        from pytest_mieb.measurement.measuring import examples_of
        from pytest_mieb.measurement.opening import examples_behind
        from pytest_mieb.support.numbers import percent

        baseline, task = self.baseline, result.task
        if baseline is None or task.name in baseline.unusable:
            return None
        if task.name not in baseline.tasks:
            raise IncomparableError(
                f"{task.name}: there is no baseline in {self._named()}; it scored {percent(result.score)}\n"
                f"record it with --mieb-update -k {task.name}"
            )
        recorded, context = baseline.context(task.name), self.evaluator.context
        if context.canary != (recorded.canary if recorded else ()):
            raise IncomparableError(f"{task.name}: {self.evaluator.canary_sentence}")
        old = Measured(baseline.tasks[task.name], recorded, examples_behind(baseline, task))
        new = Measured(self.evaluator.measured(result), context, examples_of(result))
        return compare(task, old, new, self.settings.policy)

    def verdict(self, result: TaskResult, comparison: Comparison | None) -> Verdict:
        """The verdict on a task by itself; what many tasks together show is decided when all are in."""
        from pytest_mieb.gate.verdict import Verdict, judge

        if comparison is None:
            return Verdict("measured", result.score)
        return judge(comparison, self.settings.policy, self.family)
