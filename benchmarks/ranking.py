"""How long exact ranking takes, and how much memory, beside faiss and torch.topk: `python -m benchmarks.ranking`.

All start from the same random embeddings, of which every tenth document is a copy of another, and give the best
documents of every query. Ours settles ties by the documents' ids; the two others leave them as they fall. `MiB` is what
a process's peak memory grows by, embeddings left out. faiss, IndexFlatIP, takes part where it is installed.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.protocols.ranking import rank_all
from pytest_mieb.protocols.ranking_metrics import DEPTH

Floats = NDArray[np.float32]
# torch.topk takes so many queries at once: all their scores lie in memory.
QUERIES_AT_ONCE = 512


def ours(queries: Floats, documents: Floats, device: str) -> Any:
    ids = [str(number) for number in np.random.default_rng(1).permutation(len(documents))]
    return rank_all(queries, documents, ids, DEPTH, device)


def by_topk(queries: Floats, documents: Floats, device: str) -> Any:
    import torch
    from torch.nn.functional import normalize

    left, right = (normalize(torch.from_numpy(each).to(device)) for each in (queries, documents))
    return torch.cat([(some @ right.T).topk(DEPTH).indices for some in left.split(QUERIES_AT_ONCE)]).cpu()


def by_faiss(queries: Floats, documents: Floats, device: str) -> Any:
    import faiss

    faiss.normalize_L2(queries)
    faiss.normalize_L2(documents)
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    return index.search(queries, DEPTH)[1]


CONTENDERS: Mapping[str, Callable[[Floats, Floats, str], Any]] = {
    "ours": ours,
    "torch.topk": by_topk,
    "faiss": by_faiss,
}


def measure(name: str, queries: int, documents: int, dimension: int, device: str) -> tuple[float, float]:
    """Seconds, and the growth of the process's peak memory in MiB."""
    generator = np.random.default_rng(0)
    few = generator.standard_normal((2, 200, 8), dtype=np.float32)
    CONTENDERS[name](few[0], few[1], device)  # imports
    left = generator.standard_normal((queries, dimension), dtype=np.float32)
    right = generator.standard_normal((documents, dimension), dtype=np.float32)
    right[::10] = right[1::10][: len(right[::10])]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = perf_counter()
    CONTENDERS[name](left, right, device)
    seconds = perf_counter() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=500_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=CONTENDERS, nargs="+", default=list(CONTENDERS))
    options = parser.parse_args()
    sizes = options.queries, options.documents, options.dimension
    print(f"{options.queries:,} queries, {options.documents:,} documents of {options.dimension}, {options.device}")
    for name in options.only:
        if name == "faiss" and (options.device != "cpu" or not find_spec("faiss")):
            continue
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, memory = pool.submit(measure, name, *sizes, options.device).result()
        print(f"{name:>10} {seconds:>8.1f} s {memory:>8,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
