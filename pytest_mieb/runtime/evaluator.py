"""What one process runs tasks with, and the tasks that it ran."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pytest_mieb.runtime import devices
from pytest_mieb.runtime.progress import Progress, Status
from pytest_mieb.support.atomic import sweep
from pytest_mieb.support.scratch import Scratch

if TYPE_CHECKING:
    from pytest_mieb.canary import CanaryReport
    from pytest_mieb.data import Source
    from pytest_mieb.embedding import Claims, Counts, Pipeline, Shared
    from pytest_mieb.measurement.baseline import Measurement
    from pytest_mieb.measurement.context import Context
    from pytest_mieb.measurement.result import TaskResult
    from pytest_mieb.models import Description, Embedder
    from pytest_mieb.models.probing import Probes
    from pytest_mieb.runtime.ahead import Ahead
    from pytest_mieb.runtime.calibration import Calibration
    from pytest_mieb.runtime.helping import Helping
    from pytest_mieb.runtime.settings import Settings
    from pytest_mieb.suite import Task


class Evaluator:
    """Loads each thing when it is first asked for: collecting the suite imports neither torch nor datasets."""

    def __init__(self, settings: Settings, worker: devices.Worker | None) -> None:
        self.settings = settings
        self.worker = worker
        self.progress = Progress()
        self._results: dict[str, TaskResult] = {}
        self._measured: dict[str, Measurement] = {}
        self._scratch: Scratch | None = None
        self._unwritten = False
        self._next: Task | None = None
        self._asked: Sequence[Task] = ()

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """Where this process embeds. Raises ModelError."""
        return devices.choose_devices(self.settings.device, self.worker)

    @property
    def device(self) -> str:
        """Where this process scores, and embeds what is not embedded batch by batch."""
        return self.devices[0]

    @cached_property
    def embedder(self) -> Embedder:
        """The loaded model. Raises ModelError."""
        self.progress.enter("loading the model")
        try:
            return self._load()
        finally:
            self.progress.enter("waiting")

    def _load(self, device: str | None = None, dtype: str | None = None) -> Embedder:
        """The model, on another device or in another dtype than the run's where they are given."""
        device = device or self.device
        from pytest_mieb.models import load_embedder

        devices.share_processors(self.worker)
        settings = self.settings
        if not settings.kind.by_code:
            _silence()
        with _errors_as_warnings():
            return load_embedder(
                settings.model,
                revision=settings.revision,
                device=device,
                dtype=dtype or settings.dtype,
                trust_remote_code=settings.trust_remote_code,
                processor=settings.processor,
                options=settings.model_args,
                max_cost=self._share_of_cost,
                memory=settings.cache / "hashes",
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

        return open_source(self.settings.data, self.settings.cache, _warn, any_size=self.settings.any_size)

    @cached_property
    def probes(self) -> Probes | None:
        """How the model embeds what it is known by; None where every embedding is paid for. Raises ModelError."""
        from pytest_mieb.models.probing import probed

        if getattr(self.embedder, "metered", False):  # an object of other make may lack it
            return None
        with _errors_as_warnings():
            return probed(self.settings.model.text, self.embedder)

    @cached_property
    def pipeline(self) -> Pipeline:
        from pytest_mieb.embedding import Pipeline, Store

        with _errors_as_warnings():
            store = Store(
                self._folder_of_store,
                _warn,
                self.embedder.dimension,
                self.settings.store_dtype,
                fresh=self.settings.fresh,
                shared=self._shared_beside(self._folder_of_store),
            )
        return Pipeline(
            self.embedder,
            store,
            self.settings.batch_size,
            threads=devices.processors(self.worker),
            processes=devices.processes(self.worker),
            warn=_warn,
            replicas=[self._load(device) for device in self.devices[1:]],
            claims=self._claims,
            idle=lambda: self._helping.one_chunk(),
        )

    @cached_property
    def _claims(self) -> Claims | None:
        """By which the work is shared with whoever has the same store; None where there is nobody, or each one pays."""
        from pytest_mieb.embedding import CLAIMS, Claims

        if not self.embedder.fingerprint or getattr(self.embedder, "metered", False):
            return None
        run_id = self.worker.run_id if self.worker else uuid4().hex
        return Claims(self.settings.cache / CLAIMS, run_id)

    def ask(self, tasks: Sequence[Task]) -> None:
        """Say what the run is asked for, in whatever process, the longest first."""
        self._asked = tasks

    @cached_property
    def _helping(self) -> Helping:
        from pytest_mieb.runtime.helping import Helping

        return Helping(self._asked, self.source, self.pipeline, self._is_done)

    def help(self) -> None:
        """When this process has run its own tasks, if it had any: embed for those of others what nobody is at."""
        from pytest_mieb.embedding import SharedError
        from pytest_mieb.models import ModelError

        # What is wrong with the model or the store is said by whoever has a task.
        with _errors_as_warnings(), suppress(ModelError, SharedError):
            if self._asked and self._claims:
                self.progress.enter("helping")
                self._helping.everything()
        self.progress.rest()

    @property
    def helped(self) -> int:
        """How many items this process embedded beside those of the task that it ran."""
        return self.pipeline.helped if "pipeline" in self.__dict__ else 0

    def _is_done(self, task: Task) -> bool:
        kept = self._kept_as(task)
        return task.name in self._results or bool(kept and self._may_take_over and kept.is_file())

    @cached_property
    def shared(self) -> Shared | None:
        """The place in which embeddings are shared with other machines; None without one. Raises SharedError."""
        from pytest_mieb.embedding import Shared

        return Shared.opened(self.settings.store, _warn) if self.settings.store else None

    def _shared_beside(self, folder: Path) -> Shared | None:
        """Where a folder of the cache is shared; None where nothing is, or the model has no name to know it by."""
        if not self.shared or not self.embedder.fingerprint:
            return None
        return self.shared.part(*folder.relative_to(self.settings.cache).parts)

    @cached_property
    def _folder_of_store(self) -> Path:
        """Where this model's embeddings and the results from them are kept; from here on labelled as used now."""
        from pytest_mieb.embedding import LABEL, contents, label
        from pytest_mieb.measurement.finished import FOLDER

        fingerprint = self.embedder.fingerprint
        if not fingerprint:
            return self._scratch_folder("embeddings")
        folder = self._kept_folder(fingerprint)
        label(folder, self.settings.model.text, self.settings.batch_size)
        sweep(folder / FOLDER)
        if shared := self._shared_beside(folder):
            shared.renew(folder / LABEL)
            shared.catch_up(folder, contents(folder))
        return folder

    def _kept_folder(self, fingerprint: str) -> Path:
        from pytest_mieb.embedding import folder_of, generation

        settings, probes = self.settings, self.probes
        folder = folder_of(settings.cache, fingerprint, settings.batch_size, settings.store_dtype)
        if probes is None:
            return folder
        shared = self._shared_beside(folder)
        if not settings.kind.by_code:
            return generation(folder, probes, _warn, known_as="the hash of its files", shared=shared)
        owner = " ".join((settings.model.text, *map("=".join, sorted(settings.model_args.items()))))
        known_as = f"the fingerprint {fingerprint}"
        return generation(folder, probes, _warn, owner=owner, known_as=known_as, shared=shared)

    @cached_property
    def calibration(self) -> Calibration:
        """The model under changes that must not matter; a factory's is what it returns, whatever is asked for."""
        from pytest_mieb.runtime.calibration import Calibration

        settings = self.settings
        folder = self._scratch_folder("calibration")
        load = None if settings.kind.by_code else self._load
        return Calibration(
            settings.calibrate,
            self.embedder,
            load,
            folder,
            batch_size=settings.batch_size,
            device=self.device,
            dtype=self.context.dtype,
            store_dtype=settings.store_dtype,
        )

    def _scratch_folder(self, name: str) -> Path:
        """A folder that is removed at the end of the run."""
        self._scratch = self._scratch or Scratch()
        return self._scratch.folder / name

    def settle(self) -> None:
        """Wait for embeddings that are still being sent to where they are shared."""
        if shared := self.__dict__.get("shared"):
            with _errors_as_warnings():
                shared.close()

    def close(self) -> None:
        """Stop reading ahead, and remove what is good for this run only."""
        for name in ("_ahead", "pipeline"):
            if name in self.__dict__:
                getattr(self, name).close()
        if self._scratch:
            self._scratch.remove()

    def lacks(self, task: Task) -> str | None:
        """Why the model cannot do the task, or None where it can."""
        from pytest_mieb.protocols import needs

        missing = needs(task) - self.embedder.modalities
        return f"{self.settings.model.text} embeds no {' and no '.join(sorted(missing))}" if missing else None

    def result(self, task: Task) -> TaskResult:
        """Run the task, once in this process, and write its result files."""
        if task.name not in self._results:
            self.progress.begin(task.name, self.status.embedded)
            try:
                with _errors_as_warnings():
                    self._run(task)
            finally:
                self.progress.rest()
        return self._results[task.name]

    def _run(self, task: Task) -> None:
        from pytest_mieb.measurement.measuring import measured
        from pytest_mieb.measurement.results import Provenance, write_result

        result = self._evaluated(task)
        for finding in result.findings:
            _warn(f"{task.name}: {finding.sentence}")
        now = measured(result, self.context.name)
        now = replace(now, examples=self._drawn_content(task) or now.examples)
        others: Mapping[str, float] = {}
        if self.settings.calibrate:
            from pytest_mieb.runtime.calibration import noise

            self.progress.enter("calibrating")
            others = self.calibration.scores(result, self.source)
            now = replace(now, noise=noise(result.repeatable, others))
        self._results[task.name], self._measured[task.name] = result, now
        try:
            settings = self.settings
            provenance = Provenance(settings.model.text, settings.revision, self.embedder.description, settings.data)
            write_result(settings.results_of_model, result, now, provenance, self.context, others)
        except OSError as error:
            if not self._unwritten:
                _warn(
                    f"results cannot be written in {self.settings.results_of_model} ({error.strerror or error}): the "
                    "run goes on and judges without those files; make room there, or name another --mieb-results"
                )
            self._unwritten = True

    def _evaluated(self, task: Task) -> TaskResult:
        """The task's result: an earlier run's, where nothing has changed since."""
        from pytest_mieb.measurement import finished

        file = self._kept_as(task)
        if file and self._may_take_over:
            known = finished.read(file, task)
            if known:
                return known
        result = self._scored(task)
        if file:
            with suppress(OSError):  # then the next run scores it again
                finished.write(file, result)
        return result

    @property
    def _may_take_over(self) -> bool:
        return not (self.settings.fresh or self.settings.calibrate)

    def _scored(self, task: Task) -> TaskResult:
        """As `evaluation.evaluate`, while the next task's data are read."""
        from pytest_mieb.runtime.evaluation import result_of, score_all, wanted_by
        from pytest_mieb.support.seconds import Seconds, Watch

        total, loading = Watch(), Watch()
        with total.running():
            with loading.running():
                prepared = self._ahead.take(task)
            self._expect_next()
            before = self.pipeline.counts
            self.progress.enter("embedding")
            self.pipeline.fill(wanted_by(prepared))
            self.progress.enter("scoring")
            if following := self._ahead.ready():
                self.pipeline.begin(wanted_by(following))
            subsets, scoring = score_all(prepared, self.pipeline, self.device, any_size=self.source.any_size)
        clock = Seconds(waited_load=loading.seconds, score=scoring, total=total.seconds)
        return result_of(prepared, subsets, before, self.pipeline.counts, clock)

    def embed(self, task: Task) -> Counts:
        """Embed what a task needs, without scoring it. Raises DatasetError, EmbeddingError, ModelError."""
        from pytest_mieb.embedding import Counts
        from pytest_mieb.runtime.evaluation import wanted_by
        from pytest_mieb.support.seconds import Seconds, Watch

        total = Watch()
        with _errors_as_warnings(), total.running():
            prepared = self._ahead.take(task)
            self._expect_next()
            before = self.pipeline.counts
            self.pipeline.fill(wanted_by(prepared))
            done = self.pipeline.counts - before
        return Counts(done.embedded, done.reused, done.seconds + Seconds(total=total.seconds))

    @property
    def status(self) -> Status:
        """What this process does now. Whoever asks may be another thread: nothing is loaded for it."""
        own, pipeline = self.__dict__.get("devices", ()), self.__dict__.get("pipeline")
        embedded, goal = (pipeline.executor.embedded, pipeline.goal) if pipeline else (0, 0)
        return self.progress.status(", ".join(devices.shown(each, os.environ) for each in own), embedded, goal)

    def _expect_next(self) -> None:
        """Let the data of the next task be read, where it will have to be scored."""
        if self._next and not self._is_done(self._next):
            self._ahead.expect(self._next)

    @cached_property
    def _ahead(self) -> Ahead:
        from pytest_mieb.runtime.ahead import Ahead

        return Ahead(self.source)

    def expect(self, task: Task | None) -> None:
        """The task that comes after the present one, as far as that is known."""
        self._next = task

    def _kept_as(self, task: Task) -> Path | None:
        """Where the result is kept from run to run; None where the model or the data has no name to know it by."""
        from pytest_mieb.measurement import finished
        from pytest_mieb.runtime.code import digest

        data = self.source.state(task.dataset) if self.embedder.fingerprint else None
        if data is None:
            return None
        key = finished.key_of(
            task,
            data=[self.settings.data_kind, data, self.source.any_size],
            context=self.context.to_json(),
            code=digest(task),
        )
        return self._folder_of_store / finished.FOLDER / f"{key}.npz"

    def _drawn_content(self, task: Task) -> str | None:
        """A dataset of the miniature by what is seen in it, for its files are drawn here, and their bytes are those of
        the image library; None for other data.
        """
        if self.settings.data != "miniature":
            return None
        from pytest_mieb.miniature.content import drawn

        return drawn(self.settings.cache).get(task.dataset.path, "")[:16] or None

    def measured(self, result: TaskResult) -> Measurement:
        """The result as it is recorded and compared."""
        return self._measured[result.task.name]

    @cached_property
    def context(self) -> Context:
        """What this process measures with."""
        from pytest_mieb.measurement.context import Context
        from pytest_mieb.measurement.results import versions

        description = self.description
        return Context(
            fingerprint=self.embedder.fingerprint or "",
            preprocessing=description.preprocessing if description else {},
            device=devices.device_class(self.device),
            dtype=(description.dtype if description else self.settings.dtype) or "",
            store_dtype="" if self.settings.store_dtype == "float32" else self.settings.store_dtype,
            batch_size=self.settings.batch_size,
            canary=self.canary.moved if self.canary else (),
            versions=versions(),
        )

    @cached_property
    def canary(self) -> CanaryReport | None:
        """Whether the environment is the one that the package knows; None where the model is computed elsewhere."""
        from pytest_mieb.canary import check

        if self.settings.kind.elsewhere:
            return None
        with _errors_as_warnings():
            return check(self.device)

    @property
    def canary_sentence(self) -> str:
        """What is wrong with the environment, or that it is the baseline's that was."""
        return (self.canary and self.canary.sentence) or (
            "the environment moved, not the model: the canary is as it should be now, and was not when the baseline "
            "was recorded; record it anew with --mieb-update"
        )


class MiebWarning(UserWarning):
    """Something that does not stop a run, but that whoever reads its scores should know."""


def _warn(sentence: str) -> None:
    warnings.warn(sentence, MiebWarning, stacklevel=2)


@contextmanager
def _errors_as_warnings() -> Iterator[None]:
    """Where a project's pytest makes errors of warnings: what a library warns of decides nothing about a model."""
    filters: list[Any] = list(warnings.filters)
    with warnings.catch_warnings():
        for action, message, category, module, line in reversed(filters):  # each goes before those that are there
            patterns = [getattr(pattern, "pattern", pattern) or "" for pattern in (message, module)]
            softened: Any = "default" if action == "error" else action
            warnings.filterwarnings(softened, patterns[0], category, patterns[1], line)
        yield


def _silence() -> None:
    """No progress bars: they are noise in the log of a test run."""
    from transformers.utils import logging

    logging.disable_progress_bar()
