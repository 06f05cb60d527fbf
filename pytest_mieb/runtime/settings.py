"""The plugin's options: declared in one help group, read and checked into one frozen object."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from pytest_mieb.gate.policy import Policy
    from pytest_mieb.models.loading.spec import ModelSpec

NONE = "none"
YAML = (".yaml", ".yml")
DTYPES = ("float32", "float16", "bfloat16")
SIZES = ("expected", "any")


class Option(NamedTuple):
    """A command-line option; one with `ini` may also stand in the configuration file, as its name with underscores.

    A `path` is relative to where it is written: to the configuration file, or to the folder pytest was started in.
    """

    flag: str
    help: str
    ini: bool = True
    switch: bool = False
    repeated: bool = False
    path: bool = False
    metavar: str | None = None

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


OPTIONS = (
    Option(
        "--mieb-model",
        "The model to run MIEB on: a folder, a hub id, open_clip:ARCHITECTURE@FILE, timm:NAME, mteb:NAME, voyage:NAME, "
        "package.module:factory, miniature, or miniature:damaged. Without it the plugin does nothing.",
        ini=False,
        metavar="SPEC",
    ),
    Option("--mieb-revision", "Branch, tag or commit of a model on the hub.", ini=False, metavar="REV"),
    Option(
        "--mieb-processor",
        "Folder or hub id with the tokenizer and the image processor, for a checkpoint that was saved without.",
        metavar="MODEL",
    ),
    Option(
        "--mieb-model-arg",
        "What the files of the model do not say, such as mean=0.5,0.5,0.5 or pooling=cls, or for a factory one of its "
        "keyword arguments, as text; may be repeated.",
        repeated=True,
        metavar="KEY=VALUE",
    ),
    Option("--mieb-max-cost", "For a model behind an API: stop before more than this is spent.", metavar="DOLLARS"),
    Option(
        "--mieb-data",
        "Where datasets come from: hub (default), miniature (the default of the miniature model), or a folder that "
        "mirrors the hub as <org>/<name>.",
        path=True,
        metavar="SOURCE",
    ),
    Option(
        "--mieb-sizes",
        "expected (default): a dataset that has another number of rows than its card expects is refused; any: it is "
        "measured, and compared with the same part only.",
        metavar="SIZES",
    ),
    Option(
        "--mieb-baseline",
        "What scores are compared with: a name in baselines/ or in the package, a .yaml file, or none to measure "
        "only. Default: the baseline with the model's name.",
        path=True,
        metavar="NAME",
    ),
    Option("--mieb-update", "Record the scores of this run in the baseline.", ini=False, switch=True),
    Option(
        "--mieb-tolerance",
        "The smallest drop that matters, in points (default: 0.5; half of it for means), or NAME=POINTS for a "
        "category, a task, or means; may be repeated.",
        repeated=True,
        metavar="POINTS",
    ),
    Option(
        "--mieb-alpha", "The chance of any false alarm in a run that changed nothing (default: 0.05).", metavar="SHARE"
    ),
    Option(
        "--mieb-policy",
        "significance (default): fail what dropped by more than its tolerance and more than chance explains; "
        "non-inferiority: fail what was not shown to have dropped by less.",
        metavar="POLICY",
    ),
    Option(
        "--mieb-strict-context",
        "No verdict where libraries, device or dtype differ from the baseline's.",
        switch=True,
    ),
    Option(
        "--mieb-calibrate",
        "Repeat every task N times under changes that must not matter, and with --mieb-update record the spread, below "
        "which no tolerance goes.",
        ini=False,
        metavar="N",
    ),
    Option("--mieb-results", "Folder for results (default: mieb-results).", path=True, metavar="DIR"),
    Option(
        "--mieb-cache",
        "Folder for the miniature and for embeddings (default: pytest-mieb in the user's cache).",
        path=True,
        metavar="DIR",
    ),
    Option("--mieb-tasks", "Folder with further task cards; may be repeated.", repeated=True, path=True, metavar="DIR"),
    Option("--mieb-device", "auto (default), cpu, cuda, cuda:N, or mps.", metavar="DEVICE"),
    Option("--mieb-dtype", "float32, float16, or bfloat16 (default: the model family's own).", metavar="DTYPE"),
    Option("--mieb-batch-size", "Items in a batch (default: 64).", metavar="N"),
    Option("--mieb-trust-remote-code", "Run code that comes with a model.", switch=True),
)


@dataclass(frozen=True)
class Settings:
    """The options of one run, checked. `baseline` is a file, or None to measure only."""

    model: ModelSpec
    revision: str | None
    processor: str | None
    model_args: Mapping[str, str]
    max_cost: float | None
    data: str
    sizes: str
    baseline: Path | None
    update: bool
    policy: Policy
    calibrate: int
    results: Path
    cache: Path
    tasks: tuple[Path, ...]
    device: str
    dtype: str | None
    batch_size: int
    trust_remote_code: bool

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


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mieb", "MIEB, the Massive Image Embedding Benchmark")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"help": option.help, "dest": option.name, "default": None}
        keywords |= {"action": "store_true"} if option.switch else {"metavar": option.metavar}
        if option.repeated:
            keywords["action"] = "append"
        group.addoption(option.flag, **keywords)
        if option.ini:
            kind = "bool" if option.switch else "linelist" if option.repeated else "string"
            parser.addini(option.name, option.help, type=kind, default=None)  # type: ignore[arg-type]


def read_settings(config: pytest.Config) -> Settings | None:
    """The settings of a run that asks for a model, or None.

    Raises:
        pytest.UsageError: a value is wrong; the message names it and the legal ones.
    """
    model = config.getoption("mieb_model")
    if model is None:
        given = [option.flag for option in OPTIONS if config.getoption(option.name)]
        if given:
            raise pytest.UsageError(f"{given[0]} does nothing without --mieb-model; give the model to run MIEB on")
        return None
    if not model.strip():
        raise pytest.UsageError("--mieb-model is empty; give the model to run MIEB on, or leave the option out")
    from pytest_mieb.models.errors import ModelError
    from pytest_mieb.models.loading.spec import parse_spec

    values = {option.name.removeprefix("mieb_"): _value(config, option) for option in OPTIONS}
    try:
        spec = parse_spec(model)
    except ModelError as error:
        raise pytest.UsageError(str(error)) from error
    _refuse_what_does_not_apply(spec, config)
    root = config.invocation_params.dir
    settings = Settings(
        model=spec,
        revision=values["revision"],
        processor=values["processor"],
        model_args=dict(_model_arg(given) for given in values["model_arg"] or ()),
        max_cost=_max_cost(values["max_cost"]),
        data=_data(values["data"] or ("miniature" if spec.kind == "miniature" else "hub"), root),
        sizes=_one_of("--mieb-sizes", values["sizes"] or SIZES[0], SIZES),
        baseline=_baseline(values["baseline"] or spec.baseline, bool(values["update"]), config.rootpath / "baselines"),
        update=bool(values["update"]),
        policy=_policy(values),
        calibrate=_calibrate(values["calibrate"]),
        results=_folder("--mieb-results", root / Path(values["results"] or "mieb-results").expanduser()),
        cache=_folder("--mieb-cache", root / Path(values["cache"] or default_cache()).expanduser()),
        tasks=tuple(_tasks(folder, root) for folder in values["tasks"] or ()),
        device=_device(values["device"] or "auto"),
        dtype=_one_of("--mieb-dtype", values["dtype"], DTYPES) if values["dtype"] else None,
        batch_size=_batch_size(values["batch_size"] or "64"),
        trust_remote_code=bool(values["trust_remote_code"]),
    )
    _refuse_outcomes_among_results(settings)
    return settings


def default_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what can be made again: `pytest-mieb` in the user's cache."""
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pytest-mieb"


def _value(config: pytest.Config, option: Option) -> Any:
    """The option's value from the command line, else from the configuration file with its paths made absolute."""
    given = config.getoption(option.name)
    if given is not None or not option.ini:
        return given
    value = config.getini(option.name)
    if not (value and option.path and config.inipath):
        return value
    folder = config.inipath.parent
    if option.repeated:
        return [str(folder / Path(each).expanduser()) for each in value]
    path = folder / Path(value).expanduser()
    can_be_a_name = option.name in ("mieb_data", "mieb_baseline") and "/" not in value and path.suffix not in YAML
    return value if can_be_a_name and not path.exists() else str(path)


# Options that mean nothing to some kinds of models, with the reason.
_APPLIES: Mapping[str, tuple[Collection[str], str]] = {
    "mieb_processor": (("folder", "hub"), "it goes with a folder or a hub id that transformers loads"),
    "mieb_dtype": (
        ("folder", "hub", "open_clip", "timm", "mteb", "miniature"),
        "the model is computed elsewhere, or by code of yours that chooses its dtype",
    ),
    "mieb_model_arg": (
        ("folder", "hub", "open_clip", "timm", "miniature", "factory"),
        "the model takes no such options",
    ),
    "mieb_calibrate": (
        ("folder", "hub", "open_clip", "timm", "mteb", "miniature", "factory"),
        "every repetition would be paid for",
    ),
    "mieb_max_cost": (("voyage",), "it goes with a model behind an API, such as voyage:voyage-multimodal-3"),
}


def _refuse_what_does_not_apply(spec: ModelSpec, config: pytest.Config) -> None:
    revision = config.getoption("mieb_revision")
    if revision and not (spec.has_revisions or spec.kind == "mteb"):
        raise pytest.UsageError(f"--mieb-revision={revision}: {spec.text} has no revisions; it goes with a hub id only")
    for option in OPTIONS:
        kinds, reason = _APPLIES.get(option.name, ((), ""))
        if kinds and spec.kind not in kinds and config.getoption(option.name):
            raise pytest.UsageError(f"{option.flag} does not go with {spec.text}: {reason}; leave the option out")


def _model_arg(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name.strip() and equals):
        raise pytest.UsageError(f"--mieb-model-arg={given}: give KEY=VALUE, such as mean=0.5,0.5,0.5")
    return name.strip(), value


def _max_cost(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        dollars = float(value)
    except ValueError:
        dollars = -1.0
    if not 0 < dollars < float("inf"):
        raise pytest.UsageError(f"--mieb-max-cost={value}: give US dollars as a number above 0, such as 5 or 2.50")
    return dollars


def _refuse_outcomes_among_results(settings: Settings) -> None:
    """Recorded outcomes lie in a folder with the baseline's name; the next run would write its own over them."""
    if settings.update and settings.baseline and settings.baseline.with_suffix("") == settings.results_of_model:
        raise pytest.UsageError(
            f"--mieb-update: {settings.results_of_model} is the folder for the results of every run; give another "
            "--mieb-baseline or another --mieb-results"
        )


def _policy(values: Mapping[str, Any]) -> Policy:
    from pytest_mieb.gate.policy import parse_policy

    try:
        return parse_policy(
            values["policy"],
            values["alpha"],
            values["tolerance"] or (),
            strict_context=bool(values["strict_context"]),
            prefix="--mieb-",
        )
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _calibrate(value: str | None) -> int:
    if value is None:
        return 0
    if not value.isdecimal() or not 1 <= int(value) <= 100:
        raise pytest.UsageError(f"--mieb-calibrate={value}: legal are whole numbers from 1 to 100")
    return int(value)


def _one_of(flag: str, value: str, legal: tuple[str, ...]) -> str:
    if value not in legal:
        raise pytest.UsageError(f"{flag}={value}: legal are {', '.join(legal)}")
    return value


def _folder(flag: str, path: Path) -> Path:
    """A folder to write in, which may be made later."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir():
        raise pytest.UsageError(f"{flag}={path}: {there} is a file; give a folder, or the name of one to make")
    if not os.access(there, os.W_OK):
        raise pytest.UsageError(f"{flag}={path}: {there} cannot be written to; give another folder")
    return path


def _data(value: str, root: Path) -> str:
    if value in ("hub", "miniature"):
        return value
    folder = root / Path(value).expanduser()
    if not folder.is_dir():
        raise pytest.UsageError(
            f"--mieb-data={value}: legal are hub, miniature, or an existing folder that mirrors the hub as <org>/<name>"
        )
    return str(folder)


def _baseline(name: str, update: bool, folder: Path) -> Path | None:
    """The file to compare with, or with `update` the file to write."""
    from pytest_mieb.measurement.baseline import NAME, BaselineError
    from pytest_mieb.measurement.opening import find

    if name == NONE:
        if update:
            raise pytest.UsageError("--mieb-update needs a baseline to write; leave --mieb-baseline=none out")
        return None
    if update:
        if name.endswith(YAML):
            return Path(name).expanduser().absolute()
        if not NAME.fullmatch(name):
            raise pytest.UsageError(
                f"--mieb-baseline={name}: a name of letters, digits, '.', '-' and '_', or a path that ends in .yaml"
            )
        return folder / f"{name}.yaml"
    try:
        return find(name, folder)
    except BaselineError as error:
        raise pytest.UsageError(f"--mieb-baseline: {error}") from error


def _tasks(value: str, root: Path) -> Path:
    folder = root / Path(value).expanduser()
    if not folder.is_dir():
        raise pytest.UsageError(f"--mieb-tasks={value}: no such folder; give one that holds task cards (*.yaml)")
    return folder


def _device(value: str) -> str:
    kind, _, number = value.partition(":")
    if kind in ("auto", "cpu", "mps") and not number and ":" not in value:
        return value
    if kind == "cuda" and (value == "cuda" or number.isdecimal()):
        return value
    raise pytest.UsageError(f"--mieb-device={value}: legal are auto, cpu, cuda, cuda:N, mps")


def _batch_size(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65536:
        raise pytest.UsageError(f"--mieb-batch-size={value}: legal are whole numbers from 1 to 65536")
    return int(value)
