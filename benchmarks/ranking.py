"""How long exact ranking takes, and how much memory: `python benchmarks/ranking.py [--documents N] [--queries N]`.

Prints a row a size. Embeddings are random; every tenth document is a copy of another, so that ties have to be settled.
"""

from __future__ import annotations

import argparse
import resource
from time import perf_counter

import numpy as np

from pytest_mieb.protocols.ranking import rank_all
from pytest_mieb.protocols.ranking_metrics import DEPTH


def measure(queries: int, documents: int, dimension: int) -> tuple[float, float]:
    """Seconds, and the growth of the process's peak memory in MiB, of ranking all documents for all queries."""
    generator = np.random.default_rng(0)
    left = generator.standard_normal((queries, dimension), dtype=np.float32)
    right = generator.standard_normal((documents, dimension), dtype=np.float32)
    right[::10] = right[1::10][: len(right[::10])]
    ids = [str(number) for number in generator.permutation(documents)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = perf_counter()
    rank_all(left, right, ids, DEPTH)
    seconds = perf_counter() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimension", type=int, default=512)
    options = parser.parse_args()
    measure(2, 100, 8)  # imports torch
    print(f"{'queries':>8} {'documents':>10} {'seconds':>8} {'MiB':>6}")
    for documents in options.documents:
        seconds, memory = measure(options.queries, documents, options.dimension)
        print(f"{options.queries:>8} {documents:>10} {seconds:>8.2f} {memory:>6.0f}")


if __name__ == "__main__":
    main()
