"""The miniature's score table: what the small model reaches in each category, beside chance.

`python -m benchmarks.miniature_scores` prints it as Markdown; with `--tasks` one row a task.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models import Embedder, load_embedder

if TYPE_CHECKING:
    from PIL.Image import Image

DIMENSION = 64


class Chance(Embedder):
    """A model that knows nothing: every distinct input gets a random direction of its own, always the same."""

    modalities = frozenset({"image", "text"})
    dimension = DIMENSION
    fingerprint = f"chance-{DIMENSION}"

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return np.stack([_direction(f"{image.size}".encode() + image.tobytes()) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([_direction(text.encode()) for text in texts])


def _direction(content: bytes) -> NDArray[np.float32]:
    seed = int.from_bytes(blake2b(content, digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(DIMENSION, dtype=np.float32)


def all_scores(embedder: Embedder, cache: Path) -> dict[str, float]:
    """The score of every task on the miniature."""
    from pytest_mieb.data import open_source
    from pytest_mieb.embedding import Pipeline, Store, folder_of
    from pytest_mieb.runtime.evaluation import evaluate
    from pytest_mieb.suite.cards import load_tasks

    source = open_source("miniature", cache, warnings.warn)
    pipeline = Pipeline(embedder, Store(folder_of(cache, str(embedder.fingerprint), 64)))
    return {name: evaluate(task, source, pipeline).score for name, task in load_tasks().items()}


def table(scores: dict[str, float], chance: dict[str, float], *, by_task: bool) -> Iterator[str]:
    """Markdown lines: a row a category, or a row a task, and the two means."""
    from pytest_mieb.suite.cards import load_tasks
    from pytest_mieb.suite.means import GROUPS, MEAN_EN, MEAN_M, group_of, means

    tasks = list(load_tasks().values())
    own, by_chance = means(tasks, scores), means(tasks, chance)

    def row(name: str, count: object, score: float, by_chance: float) -> str:
        return f"| {name} | {count} | {100 * score:.2f} | {100 * by_chance:.2f} |"

    yield "| task | category | score | chance |" if by_task else "| category | tasks | score | chance |"
    yield "|---|---|---:|---:|" if by_task else "|---|---:|---:|---:|"
    if by_task:
        for task in tasks:
            yield row(task.name, group_of(task), scores[task.name], chance[task.name])
    else:
        for group in GROUPS:
            members = sum(group_of(task) == group for task in tasks)
            yield row(group, members, own[group], by_chance[group])
    english = sum("eng" in task.suites for task in tasks)
    yield row("**Mean (en)**", "" if by_task else english, own[MEAN_EN], by_chance[MEAN_EN])
    yield row("**Mean (m)**", "" if by_task else len(tasks), own[MEAN_M], by_chance[MEAN_M])


def main() -> None:
    from pytest_mieb.runtime.settings import default_cache

    parser = argparse.ArgumentParser(prog="python -m benchmarks.miniature_scores", description=__doc__)
    parser.add_argument("--tasks", action="store_true", help="one row a task instead of one a category")
    parser.add_argument("--model", default="miniature", help="another model, as after --mieb-model")
    options = parser.parse_args()
    cache = default_cache()
    scores, chance = all_scores(load_embedder(options.model), cache), all_scores(Chance(), cache)
    print("\n".join(table(scores, chance, by_task=options.tasks)))


if __name__ == "__main__":
    main()
