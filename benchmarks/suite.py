"""All 130 tasks against the reference, over a hub on localhost: `python -m benchmarks.suite`.

The datasets are those of the miniature, served as a hub serves them, and the model is a CLIP with random weights, small
enough that neither side computes much: what is measured is what a run costs beside its model. Each run is a process of
its own that imports what it needs. `cold` starts with empty caches; `warm` repeats it, so that nothing is downloaded,
and here nothing embedded. Times are by the clock; both sides run on the same machine, one after the other.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from tests.hub import MODELS, Hub
from tests.models.builders import build_clip

MODEL = "team/tiny-clip"
REVISION = "0123456789abcdef0123456789abcdef01234567"
REFERENCE = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import datasets
datasets.disable_progress_bars()
from tests.parity import reference
from tests.parity.embeddings import Table
encoder = reference.own_wrapper(Path(sys.argv[1]), Table())
for name in sys.argv[2:]:
    reference.score(reference.load(name), encoder, 64)
"""


class Run(NamedTuple):
    """One command: its time, what it asked the hub, and its last lines."""

    seconds: float
    requests: int
    said: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--select", default="eng or multilingual", help="tasks, as -m of pytest takes them")
    parser.add_argument("--without-reference", action="store_true", help="time our own side only")
    parser.add_argument("--workers", type=int, default=0, help="processes of pytest-xdist; 0 runs in one")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        served = miniature(root)
        build_clip(served / MODELS / MODEL)
        with Hub(served) as hub:
            runs = {name: ours(hub, root, options.select, options.workers) for name in ("cold", "warm", "again")}
            if not options.without_reference:
                runs |= {f"reference {name}": theirs(hub, root, served, options.select) for name in ("cold", "warm")}
        for name, run in runs.items():
            print(f"{name:16} {run.seconds:7.1f} s {run.requests:6} requests   {run.said}", flush=True)


def miniature(root: Path) -> Path:
    """The miniature as a hub's folder."""
    from pytest_mieb.miniature import mirror

    drawn = mirror(root / "drawn", print)
    served = root / "served"
    served.symlink_to(drawn) if drawn.is_symlink() else drawn.rename(served)
    return served


def ours(hub: Hub, root: Path, select: str, workers: int) -> Run:
    command = [sys.executable, "-m", "pytest", f"--mieb-model={MODEL}", f"--mieb-revision={REVISION}"]
    command += [f"--mieb-cache={root / 'cache'}", f"--mieb-results={root / 'results'}", "--mieb-baseline=none", "-q"]
    command += ["--mieb-data=hub", "--mieb-sizes=any", "--mieb-device=cpu", "-m", select, "-W", "ignore"]
    command += [f"-n{workers}"] if workers else []
    return timed(command, hub, root / "home", root)


def theirs(hub: Hub, root: Path, served: Path, select: str) -> Run:
    from pytest_mieb.suite.cards import load_tasks

    wanted = select.split(" or ")
    names = [name for name, task in load_tasks().items() if set(wanted) & set(task.markers)]
    command = [sys.executable, "-c", REFERENCE, str(served / MODELS / MODEL), *names]
    return timed(command, hub, root / "home of the reference", Path.cwd())


def timed(command: Sequence[str], hub: Hub, home: Path, folder: Path) -> Run:
    before, started = len(hub.requests), perf_counter()
    environment: Mapping[str, str] = hub.environment(home) | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = perf_counter() - started
    if done.returncode not in (0, 6):
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
    said = re.findall(r"[\d,]+ items were embedded.*|\d+ passed.*", done.stdout)
    return Run(seconds, len(hub.requests) - before, "; ".join(said))


def asked(hub: Hub, first: int) -> Counter[str]:
    return Counter(request.method for request in hub.requests[first:])


if __name__ == "__main__":
    main()
