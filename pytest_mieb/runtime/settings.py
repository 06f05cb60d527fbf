"""The settings of one run: one frozen object that a command line, a script and a worker build alike."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mieb.embedding.store import PRECISIONS, Precision
from pytest_mieb.gate.policy import Policy, parse_policy
from pytest_mieb.measurement.baseline import NAME, BaselineError
from pytest_mieb.measurement.opening import find
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.loading.kinds import known
from pytest_mieb.models.loading.parsing import parse_spec
from pytest_mieb.models.spec import ModelSpec

NONE = "none"
YAML = (".yaml", ".yml")
DTYPES = ("float32", "float16", "bfloat16")
SIZES = ("expected", "any")
PROGRESS = ("auto", "live", "lines", "none")


class SettingsError(ValueError):
    """A value that cannot be used; the message names the option and the legal values."""


def default_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what can be made again: `pytest-mieb` in the user's cache."""
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pytest-mieb"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of one run, checked.

    `data` is `hub`, `miniature`, or a folder with a mirror of the hub. `baseline` is a file, or None to measure only.
    `store` is a folder or a URL of fsspec in which embeddings are shared with other machines. `progress` is how the run
    is shown while it lasts.
    """

    model: ModelSpec
    revision: str | None = None
    processor: str | None = None
    model_args: Mapping[str, str] = field(default_factory=dict)
    max_cost: float | None = None
    data: str = "hub"
    sizes: str = SIZES[0]
    baseline: Path | None = None
    update: bool = False
    policy: Policy = field(default_factory=Policy)
    calibrate: int = 0
    fresh: bool = False
    results: Path = Path("mieb-results")
    cache: Path = field(default_factory=default_cache)
    store: str | None = None
    tasks: tuple[Path, ...] = ()
    device: str = "auto"
    dtype: str | None = None
    store_dtype: Precision = "float32"
    batch_size: int = 64
    trust_remote_code: bool = False
    progress: str = PROGRESS[0]

    @property
    def kind(self) -> ModelKind:
        """The kind of model."""
        return known()[self.model.kind]

    @property
    def results_of_model(self) -> Path:
        """Where the results of this run go: a folder for each model."""
        return self.results / self.model.name

    @property
    def any_size(self) -> bool:
        """Whether a dataset may have other numbers of rows than its card expects."""
        return self.sizes == "any"

    @property
    def data_kind(self) -> str:
        """What a baseline must have been recorded on to be comparable: the hub's data, or the miniature's."""
        return "miniature" if self.data == "miniature" else "hub"


def parse_settings(
    values: Mapping[str, Any], *, root: Path, baselines: Path, given: Collection[str] | None = None
) -> Settings:
    """The settings that texts say, as they come from a command line or a configuration file.

    Args:
        values: by the option's name without `--mieb-`, with underscores; what is missing or None has its default.
        root: the folder that paths are relative to.
        baselines: the user's folder of baselines.
        given: the names that must mean something to this kind of model; by default all that have a value.

    Raises:
        SettingsError: a value is wrong; the message names it and the legal ones.
    """
    model = str(values.get("model") or "")
    if not model.strip():
        raise SettingsError("--mieb-model is empty; give the model to run MIEB on, or leave the option out")
    try:
        spec = parse_spec(model)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    value, update, kind = values.get, bool(values.get("update")), known()[spec.kind]
    _refuse_what_does_not_apply(
        spec, kind, values, [name for name in values if values[name]] if given is None else given
    )
    settings = Settings(
        model=spec,
        revision=value("revision"),
        processor=value("processor"),
        model_args=dict(_model_arg(each) for each in value("model_arg") or ()),
        max_cost=_max_cost(value("max_cost")),
        data=_data(value("data") or kind.data, root),
        sizes=_one_of("--mieb-sizes", value("sizes") or SIZES[0], SIZES),
        baseline=_baseline(value("baseline") or kind.baseline or spec.name, update, baselines),
        update=update,
        policy=_policy(values),
        calibrate=_calibrate(value("calibrate")),
        fresh=bool(value("fresh")),
        results=_folder("--mieb-results", root / Path(value("results") or "mieb-results").expanduser()),
        cache=_folder("--mieb-cache", root / Path(value("cache") or default_cache()).expanduser()),
        store=_store(value("store"), root),
        tasks=tuple(_tasks(folder, root) for folder in value("tasks") or ()),
        device=_device(value("device") or "auto"),
        dtype=_one_of("--mieb-dtype", dtype, DTYPES) if (dtype := value("dtype")) else None,
        store_dtype=_store_dtype(value("store_dtype") or "float32"),
        batch_size=_batch_size(value("batch_size") or "64"),
        trust_remote_code=bool(value("trust_remote_code")),
        progress=_one_of("--mieb-progress", value("progress") or PROGRESS[0], PROGRESS),
    )
    _refuse_outcomes_among_results(settings)
    return settings


# Options that mean nothing to some kinds of models, with the reason.
_REASONS: Mapping[str, str] = {
    "processor": "it goes with a folder or a hub id that transformers loads",
    "dtype": "the model is computed elsewhere, or by code of yours that chooses its dtype",
    "model_arg": "the model takes no such options",
    "calibrate": "every repetition would be paid for",
    "max_cost": "it goes with a model behind an API, such as voyage:voyage-multimodal-3",
}


def _refuse_what_does_not_apply(
    spec: ModelSpec, kind: ModelKind, values: Mapping[str, Any], given: Collection[str]
) -> None:
    revision = values.get("revision")
    if revision and not spec.has_revisions:
        raise SettingsError(f"--mieb-revision={revision}: {spec.text} has no revisions; it goes with a hub id only")
    for name, reason in _REASONS.items():
        if name in given and name not in kind.options:
            flag = f"--mieb-{name.replace('_', '-')}"
            raise SettingsError(f"{flag} does not go with {spec.text}: {reason}; leave the option out")


def _model_arg(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name.strip() and equals):
        raise SettingsError(f"--mieb-model-arg={given}: give KEY=VALUE, such as mean=0.5,0.5,0.5")
    return name.strip(), value


def _max_cost(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        dollars = float(value)
    except ValueError:
        dollars = -1.0
    if not 0 < dollars < float("inf"):
        raise SettingsError(f"--mieb-max-cost={value}: give US dollars as a number above 0, such as 5 or 2.50")
    return dollars


def _refuse_outcomes_among_results(settings: Settings) -> None:
    """Recorded outcomes lie in a folder with the baseline's name; the next run would write its own over them."""
    if settings.update and settings.baseline and settings.baseline.with_suffix("") == settings.results_of_model:
        raise SettingsError(
            f"--mieb-update: {settings.results_of_model} is the folder for the results of every run; give another "
            "--mieb-baseline or another --mieb-results"
        )


def _policy(values: Mapping[str, Any]) -> Policy:
    try:
        return parse_policy(
            values.get("policy"),
            values.get("alpha"),
            values.get("tolerance") or (),
            strict_context=bool(values.get("strict_context")),
            prefix="--mieb-",
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _calibrate(value: str | None) -> int:
    if value is None:
        return 0
    if not value.isdecimal() or not 1 <= int(value) <= 100:
        raise SettingsError(f"--mieb-calibrate={value}: legal are whole numbers from 1 to 100")
    return int(value)


def _one_of(flag: str, value: str, legal: tuple[str, ...]) -> str:
    if value not in legal:
        raise SettingsError(f"{flag}={value}: legal are {', '.join(legal)}")
    return value


def _folder(flag: str, path: Path) -> Path:
    """A folder to write in, which may be made later."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir():
        raise SettingsError(f"{flag}={path}: {there} is a file; give a folder, or the name of one to make")
    if not os.access(there, os.W_OK):
        raise SettingsError(f"{flag}={path}: {there} cannot be written to; give another folder")
    return path


def _store(value: str | None, root: Path) -> str | None:
    """A URL as it stands; whether it can be used shows when it is opened."""
    return value if value is None or "://" in value else str(root / Path(value).expanduser())


def _data(value: str, root: Path) -> str:
    if value in ("hub", "miniature"):
        return value
    folder = root / Path(value).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"--mieb-data={value}: legal are hub, miniature, or an existing folder that mirrors the hub as <org>/<name>"
        )
    return str(folder)


def _baseline(name: str, update: bool, folder: Path) -> Path | None:
    """The file to compare with, or with `update` the file to write."""
    if name == NONE:
        if update:
            raise SettingsError("--mieb-update needs a baseline to write; leave --mieb-baseline=none out")
        return None
    if update:
        if name.endswith(YAML):
            return Path(name).expanduser().absolute()
        if not NAME.fullmatch(name):
            raise SettingsError(
                f"--mieb-baseline={name}: a name of letters, digits, '.', '-' and '_', or a path that ends in .yaml"
            )
        return folder / f"{name}.yaml"
    try:
        return find(name, folder)
    except BaselineError as error:
        raise SettingsError(f"--mieb-baseline: {error}") from error


def _tasks(value: str, root: Path) -> Path:
    folder = root / Path(value).expanduser()
    if not folder.is_dir():
        raise SettingsError(f"--mieb-tasks={value}: no such folder; give one that holds task cards (*.yaml)")
    return folder


def _device(value: str) -> str:
    several = [each.strip() for each in value.split(",")]
    if value in ("auto", "cpu", "cuda", "mps"):
        return value
    if all(re.fullmatch(r"cuda:\d+", each) for each in several) and len(set(several)) == len(several):
        return ",".join(several)
    raise SettingsError(f"--mieb-device={value}: legal are auto, cpu, cuda, cuda:N, mps, or several as cuda:0,cuda:1")


def _store_dtype(value: str) -> Precision:
    for legal in PRECISIONS:
        if value == legal:
            return legal
    raise SettingsError(f"--mieb-store-dtype={value}: legal are {', '.join(PRECISIONS)}")


def _batch_size(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65536:
        raise SettingsError(f"--mieb-batch-size={value}: legal are whole numbers from 1 to 65536")
    return int(value)
