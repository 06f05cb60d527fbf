"""The published scores of 55 models: MIEB's own results, packed as one table a model in `baselines/published/`.

They were measured by `mteb`, the reference, over two years, and come from MTEB's results repository
(github.com/embeddings-benchmark/results). They hold no outcomes per example, and many were measured on earlier
revisions of the datasets: comparing with them is indicative. `drift`, beside this module, says how far each may be off.

A model's file is tab-separated: two lines with its name and revision, a heading, a line a task, and below a task with
subsets a line for each. A dataset's revision is cut to eight digits there, as Git does; `revisions.tsv` has it whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pytest_mieb.measurement.baseline import BaselineError
from pytest_mieb.support.packaged import packaged

HEADING = ("task", "score", "mteb", "dataset_revision")
REVISIONS = "revisions.tsv"
_SHORT = 8


@dataclass(frozen=True)
class PublishedScore:
    """A task's score (0..1; a correlation may be negative), its subsets', and what it was measured with and on."""

    score: float
    mteb: str
    dataset_revision: str
    subsets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedModel:
    """A model by its hub id, the revision that was measured, and its scores by task, of the tasks that it can do."""

    model: str
    revision: str
    tasks: Mapping[str, PublishedScore]

    @property
    def scores(self) -> dict[str, float]:
        return {name: each.score for name, each in self.tasks.items()}


def folder() -> Path:
    """Where the tables lie."""
    return packaged("baselines") / "published"


def file_name(model: str) -> str:
    """A hub id as a file's name: `openai/clip-vit-base-patch32` is `openai__clip-vit-base-patch32.tsv`."""
    return f"{model.replace('/', '__')}.tsv"


def names() -> list[str]:
    """The hub ids of all published models, in order of the alphabet."""
    found = [path.stem.replace("__", "/", 1) for path in folder().glob("*.tsv") if path.name != REVISIONS]
    return sorted(found, key=lambda name: (name.lower(), name))


def find(name: str) -> str | None:
    """The hub id that `name` means: an id in any case, or the same with `__` for its slash; None if there is none."""
    wanted = _as_id(name)
    return next((known for known in names() if known.lower() == wanted), None)


def read(name: str) -> PublishedModel:
    """The published scores of a model, named as `find` allows.

    Raises:
        BaselineError: there are none; the message names near ones. Or its table is damaged.
    """
    known = find(name)
    if known is None:
        near = _near(name)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names())}"
        raise BaselineError(f"no published scores of {name!r}; {hint}")
    place = folder()
    return read_table(place / file_name(known), _revisions(place / REVISIONS))


def read_all() -> list[PublishedModel]:
    """Every published model, in the order of `names`."""
    return [read(name) for name in names()]


def _as_id(name: str) -> str:
    return (name if "/" in name else name.replace("__", "/", 1)).lower()


def _near(name: str) -> list[str]:
    """Published ids like `name`, or whose part after the slash is like its own."""
    whole = {known.lower(): known for known in names()}
    short = {known.partition("/")[2]: whole[known] for known in whole}
    wanted = _as_id(name)
    near = [whole[each] for each in difflib.get_close_matches(wanted, whole, n=3)]
    near += [short[each] for each in difflib.get_close_matches(wanted.rpartition("/")[2], short, n=3)]
    return list(dict.fromkeys(near))[:3]


@cache
def read_table(path: Path, revisions: frozenset[tuple[str, str]]) -> PublishedModel:
    """Read one model's table; `revisions` are pairs of a task and a whole revision of its dataset.

    Raises:
        BaselineError: the file, the line and what is wrong with it.
    """
    lines = _lines(path)
    whole = {(task, _cut(revision)): revision for task, revision in revisions}
    header = [line.split("\t") for line in lines[:3]]
    if [cells[0] for cells in header] != ["model", "revision", HEADING[0]] or any(len(cells) < 2 for cells in header):
        raise _damaged(path, 1, f"the first three lines are to name model, revision and {', '.join(HEADING)}")
    tasks: dict[str, PublishedScore] = {}
    subsets: dict[str, dict[str, float]] = {}
    for number, line in enumerate(lines[3:], start=4):
        cells = line.split("\t")
        task, bracket, subset = cells[0].partition("[")
        try:
            score = float(cells[1])
        except (IndexError, ValueError):
            raise _damaged(path, number, "the second column is not a score") from None
        if not -1 <= score <= 1:
            raise _damaged(path, number, f"{score} is not a score from 0 to 1")
        if bracket and len(cells) == 2 and task in tasks and subset.endswith("]"):
            subsets[task][subset.removesuffix("]")] = score
        elif not bracket and len(cells) == len(HEADING) and task not in tasks and (task, cells[3]) in whole:
            subsets[task] = {}
            tasks[task] = PublishedScore(score, cells[2], whole[task, cells[3]], subsets[task])
        else:
            raise _damaged(path, number, f"neither a new task with a revision of {REVISIONS} nor a subset of a task")
    return PublishedModel(header[0][1], header[1][1], tasks)


def table(model: PublishedModel) -> str:
    """A model as the text of its file, tasks in order of the alphabet; scores as short as they read back the same."""
    rows: list[tuple[str, ...]] = [("model", model.model), ("revision", model.revision), HEADING]
    for task in sorted(model.tasks, key=str.lower):
        each = model.tasks[task]
        rows.append((task, repr(each.score), each.mteb, _cut(each.dataset_revision)))
        rows += [(f"{task}[{subset}]", repr(score)) for subset, score in each.subsets.items()]
    return "".join("\t".join(row) + "\n" for row in rows)


def revision_table(models: Iterable[PublishedModel]) -> str:
    """The text of `revisions.tsv`: every task with every revision that one of `models` was measured on.

    Raises:
        ValueError: two revisions of a task cannot be told apart when cut.
    """
    pairs = sorted(
        {(task, each.dataset_revision) for model in models for task, each in model.tasks.items()},
        key=lambda pair: (pair[0].lower(), pair[1]),
    )
    if len({(task, _cut(revision)) for task, revision in pairs}) < len(pairs):
        raise ValueError(f"two revisions of a dataset begin with the same {_SHORT} digits; cut less")
    return "".join(f"{task}\t{revision}\n" for task, revision in (HEADING[::3], *pairs))


@cache
def _revisions(path: Path) -> frozenset[tuple[str, str]]:
    pairs = [tuple(line.split("\t")) for line in _lines(path)[1:]]
    for number, pair in enumerate(pairs, start=2):
        if len(pair) != 2:
            raise _damaged(path, number, "a line is a task and a revision")
    return frozenset((pair[0], pair[1]) for pair in pairs)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: cannot be read; install pytest-mieb anew") from error


def _cut(revision: str) -> str:
    return revision[:_SHORT]


def _damaged(path: Path, line: int, sentence: str) -> BaselineError:
    return BaselineError(f"{path}: line {line}: {sentence}; install pytest-mieb anew")
