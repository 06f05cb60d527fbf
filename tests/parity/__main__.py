"""python -m tests.parity [--tasks A,B] [--models miniature,siglip,open_clip,dinov2] [--mode own|same|both]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from pytest_mieb.suite.cards import load_tasks
from tests.parity.comparison import Mode
from tests.parity.run import BUILDERS, measure_all
from tests.parity.table import report

MODELS = ("miniature", *BUILDERS)
MODES: dict[str, tuple[Mode, ...]] = {"own": ("own",), "same": ("same",), "both": ("own", "same")}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity",
        description="Score tasks with the reference implementation and with ours; exit 1 where they differ.",
    )
    parser.add_argument("--tasks", help="comma-separated names; default all")
    parser.add_argument("--models", default=",".join(MODELS), help=f"{', '.join(MODELS)}, or folders; comma-separated")
    parser.add_argument(
        "--mode", choices=MODES, default="both", help="own: each side runs the model; same: both score our embeddings"
    )
    parser.add_argument("--mirror", type=Path, help="folder of datasets to serve; default the miniature")
    parser.add_argument("--work", type=Path, help="folder for caches and logs; default a temporary one")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    known = load_tasks()
    names = options.tasks.split(",") if options.tasks else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such task: {', '.join(unknown)}")
    tasks = {name: known[name] for name in known if name in names}
    started = perf_counter()
    with TemporaryDirectory(prefix="parity") as temporary:
        work = (options.work or Path(temporary)).resolve()
        mirror = options.mirror.resolve() if options.mirror else _miniature(work)
        found = measure_all(tasks, options.models.split(","), MODES[options.mode], mirror, work, options.workers)
    lines, fine = report(found, MODES[options.mode], tasks)
    print("\n".join(lines))
    spent = {
        step: sum(one.seconds.get(step, 0) for one in found) for step in ("load", "own", "same", "ours", "rescored")
    }
    print(
        f"{perf_counter() - started:.0f} s: " + ", ".join(f"{step} {seconds:.0f} s" for step, seconds in spent.items())
    )
    return 0 if fine else 1


def _miniature(work: Path) -> Path:
    from pytest_mieb.miniature import mirror

    return mirror(work / "miniature", print)


if __name__ == "__main__":
    sys.exit(main())
