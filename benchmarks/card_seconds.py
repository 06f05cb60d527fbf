"""Write `seconds` into the cards, from how long upstream models took: `python -m benchmarks.card_seconds FOLDER`.

FOLDER is the one of `benchmarks/pack_published.py`; there each task of a model may also have its `seconds`. Models, and
the machines that they ran on, differ by a factor each, and tasks by another: a card's `seconds` are the task's with the
median model, to three digits.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.suite.cards import load_tasks

_ROUNDS = 10  # after three nothing moves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=Path, metavar="FOLDER")
    tasks = load_tasks()
    measured = upstream(parser.parse_args().upstream, list(tasks))
    seconds, factors = decomposed(measured)
    for task, own in zip(tasks.values(), seconds, strict=True):
        write(task.file, float(f"{own:.3g}"))
    residual = np.abs(np.log(measured) - np.log(seconds) - np.log(factors)[:, None])
    per_row = seconds / [sum(task.expected.values()) for task in tasks.values()]
    print(f"{len(measured)} models, {len(tasks)} cards; half of the times lie within a factor of ", end="")
    print(f"{np.exp(np.nanmedian(residual)):.2f}; a row takes {np.median(per_row):.4f} s on the median")


def upstream(place: Path, names: list[str]) -> NDArray[np.float64]:
    """Seconds by model and task, shape (models, tasks); NaN where a model lacks a task or its time."""
    rows = []
    for path in sorted(place.glob("*.json")):
        tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        rows.append([tasks.get(name, {}).get("seconds") or np.nan for name in names])
    return np.array(rows)


def decomposed(measured: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The seconds of each task with the median model, and each model's factor: a median polish of the logarithms."""
    logarithms = np.log(measured)
    seconds = np.nanmedian(logarithms, axis=0)
    factors = np.zeros(len(measured))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model without any time
        for _ in range(_ROUNDS):
            factors = np.nanmedian(logarithms - seconds, axis=1)
            factors -= np.nanmedian(factors)
            seconds = np.nanmedian(logarithms - factors[:, None], axis=0)
    return np.exp(seconds), np.exp(factors)


def write(card: Path, seconds: float) -> None:
    """Put the line after what the card expects, or in the place of the one that is there."""
    text = re.sub(r"^seconds: .*\n+", "", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
    line = f"seconds: {seconds:g}\n"
    text = re.sub(r"^(expected:\n(?:  .*\n)+)\n?", rf"\1\n{line}", text, flags=re.MULTILINE)
    assert line in text, card
    text = text.replace(line, f"{line}" if f"{line}\n" in text else f"{line}\n")
    card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
