"""The time that a run takes before and beside its tasks: `python -m benchmarks.start`.

`imports` is a process that imports torch and transformers and the class of the miniature's model, and does nothing
else. Against it: MIEB-lite on the miniature for the first time, all of it a second time, where every task is taken
over from the first run, and one of its tasks alone. Each is a process of its own, with no plugin of pytest but ours and
pytest-xdist's; the least of some rounds counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from pytest_mieb.miniature import mirror

IMPORTS = "import torch, transformers; from transformers import CLIPModel, CLIPProcessor"
OURS = ["-m", "pytest", "-p", "pytest_mieb.plugin", "-p", "xdist.plugin", "-q", "--mieb-cache=cache"]
OURS += ["--mieb-model=miniature", "-m", "lite"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", default="FER2013ZeroShot", help="the one task, as -k of pytest takes it")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        mirror(place / "cache", print)
        imports = min(run(["-c", IMPORTS], place, environment) for _ in range(options.rounds))
        show("imports", imports, imports)
        show("lite, first run", run(OURS, place, environment), imports)
        again = {"lite, second run": OURS, "one task, second run": [*OURS, "-k", options.task]}
        for name, command in again.items():
            show(name, min(run(command, place, environment) for _ in range(options.rounds)), imports)


def run(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> float:
    started = perf_counter()
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return perf_counter() - started


def show(name: str, seconds: float, imports: float) -> None:
    print(f"{name:22} {seconds:6.1f} s   {seconds / imports:5.2f} of the imports", flush=True)


if __name__ == "__main__":
    main()
