"""`python -m benchmarks.gate_calibration`: false alarms, refits, power, planted regressions; prints Markdown tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.gate_calibration import bases
from benchmarks.gate_calibration.deciding import SUITES, suite
from pytest_mieb.suite.cards import load_tasks

PARTS = ("alarms", "refits", "power", "planted")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate_calibration", description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="by default all")
    parser.add_argument("--releases", type=int, default=1000, help="simulated releases without a change")
    parser.add_argument("--refits", type=int, default=300, help="releases whose embeddings carry noise, of each noise")
    parser.add_argument(
        "--refits-cap", type=int, default=300, help="examples of a synthetic subset at most, for refits"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that simulate refits")
    parser.add_argument("--power-releases", type=int, default=100, help="simulated releases with drops")
    parser.add_argument("--outcomes", choices=("miniature", "synthetic"), action="append", help="by default both")
    parser.add_argument("--cap", type=int, default=5000, help="examples of a synthetic subset at most")
    parser.add_argument("--every", type=int, default=0, help="print the table so far after so many releases")
    parser.add_argument(
        "--accident", action="append", help="only the planted accidents whose names contain one of these"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the embeddings of the planted accidents")
    parser.add_argument("--suite", choices=SUITES, default="full", help="for the planted accidents")
    parser.add_argument("--tasks", help="only the tasks whose names contain this, for the planted accidents")
    options = parser.parse_args()
    for part in options.part or PARTS:
        started = perf_counter()
        if part == "alarms":
            for kind in options.outcomes or ("miniature", "synthetic"):
                _alarms(kind, options)
        elif part == "refits":
            for kind in options.outcomes or ("miniature", "synthetic"):
                _refits(kind, options)
        elif part == "power":
            _power(options)
        elif part == "planted":
            _planted(options)
        print(f"{part}: {perf_counter() - started:.0f} s", flush=True)


def _alarms(kind: str, options: argparse.Namespace) -> None:
    from benchmarks.gate_calibration.alarms import Alarms

    tasks = load_tasks()
    base = bases.miniature(tasks) if kind == "miniature" else bases.synthetic(tasks, options.cap)
    alarms = Alarms(tasks, base)
    for done in alarms.run(options.releases):
        if done == options.releases or (options.every and done % options.every == 0):
            print(
                f"### False alarms, {kind} outcomes, {done} releases\n\n{alarms.table()}\n{alarms.levels()}", flush=True
            )


def _refits(kind: str, options: argparse.Namespace) -> None:
    from benchmarks.gate_calibration.refits import Tally, run

    total, every = Tally(), options.every
    for part in run(kind, options.refits_cap, options.refits, options.workers):
        before = total.releases
        total.add(part)
        if total.releases == options.refits or (every and before // every < total.releases // every):
            heading = f"### Everything computed again, {kind} embeddings, {total.releases} releases of each noise"
            print(f"{heading}\n\n{total.table()}\n{total.levels()}", flush=True)


def _power(options: argparse.Namespace) -> None:
    from benchmarks.gate_calibration.power import Power

    tasks = load_tasks()
    power = Power(tasks, bases.synthetic(tasks, options.cap))
    for done in power.run(options.power_releases):
        if done == options.power_releases or (options.every and done % options.every == 0):
            print(f"### Power, {done} releases\n\n{power.table()}\n{power.false_alarms()}", flush=True)


def _planted(options: argparse.Namespace) -> None:
    from benchmarks.gate_calibration.accidents import ACCIDENTS
    from benchmarks.gate_calibration.planted import details, effect, table
    from pytest_mieb.data import open_source
    from pytest_mieb.measurement.opening import open_baseline
    from pytest_mieb.runtime.settings import default_cache
    from pytest_mieb.support.packaged import packaged

    every = load_tasks()
    tasks = {name: every[name] for name in suite(options.suite, every) if (options.tasks or "") in name}
    source = open_source("miniature", Path(default_cache()).expanduser())
    baseline = open_baseline(packaged("baselines") / "miniature.yaml", tasks)
    effects = []
    with TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        for accident in ACCIDENTS:
            if any(part in accident.name for part in options.accident or [""]):
                effects.append(effect(accident, tasks, source, baseline, folder))
                print("\n".join(details(effects[-1])), flush=True)
                print(f"\n{table(effects, tasks)}", flush=True)


if __name__ == "__main__":
    main()
