"""The options of a run, one table: pytest's command line and configuration file, and other commands, declare them."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """A command-line option; one with `ini` may also stand in the configuration file, as its name with underscores.

    A `path` is relative to where it is written: to the configuration file, or to the folder a command was started in.
    `judges`: it means something only where results are scored, recorded or compared.
    """

    flag: str
    help: str
    ini: bool = True
    switch: bool = False
    repeated: bool = False
    path: bool = False
    metavar: str | None = None
    judges: bool = False

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
        judges=True,
    ),
    Option("--mieb-update", "Record the scores of this run in the baseline.", ini=False, switch=True, judges=True),
    Option(
        "--mieb-tolerance",
        "The smallest drop that matters, in points (default: 0.5; half of it for means), or NAME=POINTS for a "
        "category, a task, or means; may be repeated.",
        repeated=True,
        metavar="POINTS",
        judges=True,
    ),
    Option(
        "--mieb-alpha",
        "The chance of any false alarm in a run that changed nothing (default: 0.05).",
        metavar="SHARE",
        judges=True,
    ),
    Option(
        "--mieb-policy",
        "significance (default): fail what dropped by more than its tolerance and more than chance explains; "
        "non-inferiority: fail what was not shown to have dropped by less.",
        metavar="POLICY",
        judges=True,
    ),
    Option(
        "--mieb-strict-context",
        "No verdict where libraries, device or dtype differ from the baseline's.",
        switch=True,
        judges=True,
    ),
    Option(
        "--mieb-calibrate",
        "Repeat every task N times under changes that must not matter, and with --mieb-update record the noise, below "
        "which no tolerance goes.",
        ini=False,
        metavar="N",
        judges=True,
    ),
    Option(
        "--mieb-fresh",
        "Embed and score everything again, also what an earlier run did with the same model, data and versions.",
        ini=False,
        switch=True,
    ),
    Option("--mieb-results", "Folder for results (default: mieb-results).", path=True, metavar="DIR", judges=True),
    Option(
        "--mieb-cache",
        "Folder for the miniature and for embeddings (default: pytest-mieb in the user's cache).",
        path=True,
        metavar="DIR",
    ),
    Option(
        "--mieb-store",
        "Where embeddings are shared with other machines: a folder, or a URL that fsspec opens, such as "
        "s3://bucket/mieb (default: nowhere).",
        path=True,
        metavar="URL",
    ),
    Option("--mieb-tasks", "Folder with further task cards; may be repeated.", repeated=True, path=True, metavar="DIR"),
    Option(
        "--mieb-device",
        "auto (default), cpu, cuda, cuda:N, or mps; several GPUs of one kind as cuda:0,cuda:1, each with the model.",
        metavar="DEVICE",
    ),
    Option("--mieb-dtype", "float32, float16, or bfloat16 (default: the model family's own).", metavar="DTYPE"),
    Option(
        "--mieb-store-dtype",
        "float32 (default), or float16: embeddings are stored in half the room, and scored as they are stored.",
        metavar="DTYPE",
    ),
    Option("--mieb-batch-size", "Items in a batch (default: 64).", metavar="N"),
    Option("--mieb-trust-remote-code", "Run code that comes with a model.", switch=True),
    Option(
        "--mieb-progress",
        "How the run is shown while it lasts: live, below what pytest prints on a terminal; lines, one a minute; none; "
        "or auto (default): live where that can be.",
        metavar="FORM",
        judges=True,
    ),
)
