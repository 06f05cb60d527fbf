"""Linear probing: a logistic regression on a few images of every class, repeated.

Source: MIEB (Xiao et al., 2025), section 3; k-shot linear probing after Cherti et al., 2023.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Rows
from pytest_mieb.protocols import probing
from pytest_mieb.protocols.classification_metrics import classification_metrics
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task

SEED = 42


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    return probing.inputs_of(task, rows, draw)


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    return probing.score_of(task, rows, embeddings, draw, probe)


def draw(labels: Sequence[Any], n_experiments: int, samples_per_label: int) -> list[list[int]]:
    """The training rows of each experiment, in training order.

    Each experiment shuffles the rows as the one before left them, always with a new generator of the same seed,
    and keeps a row while its label has fewer than `samples_per_label`.
    """
    rows = list(range(len(labels)))
    draws = []
    for _ in range(n_experiments):
        np.random.RandomState(SEED).shuffle(rows)
        kept: Counter[Any] = Counter()
        drawn = []
        for row in rows:
            if kept[labels[row]] < samples_per_label:
                drawn.append(row)
                kept[labels[row]] += 1
        draws.append(drawn)
    return draws


def probe(
    train: Floats,
    train_labels: Sequence[Any],
    draws: Sequence[Sequence[int]],
    test: Floats,
    test_labels: Sequence[Any],
    samples_per_label: int,
) -> Scored:
    """Mean accuracy over the experiments.

    Args:
        train: embeddings of the rows that any experiment draws, shape (m, d).
        train_labels: their labels, m of them.
        draws: for each experiment, the rows of `train` it learns from, in order.
        test: embeddings of the evaluation split, shape (n, d).
        test_labels: their labels, n of them.

    A fit is done in float64 and on one thread, as often it stops at 100 iterations before it has converged: the number
    of threads must not move it. Several are done at a time. Outcomes: 1 for a right prediction, shape (n, experiments).
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits
    from torch import get_num_threads

    truth = np.asarray(test_labels)
    learned, wide = np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)
    classes = np.asarray(train_labels)

    def predictions(drawn: Sequence[int]) -> NDArray[Any]:
        return _fit_and_predict(learned[list(drawn)], classes[list(drawn)], wide)

    one_each = ThreadPoolExecutor(get_num_threads(), initializer=threadpool_limits, initargs=(1,))
    with threadpool_limits(1), warnings.catch_warnings(), one_each as threads:
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = list(threads.map(predictions, draws))
    experiments = [classification_metrics(truth, each) for each in predicted]
    return Scored(
        metrics={name: float(np.mean([each[name] for each in experiments])) for name in experiments[0]},
        outcomes=(np.stack(predicted, axis=1) == truth[:, None]).astype(np.uint8),
        details={"samples_per_label": samples_per_label, "scores_per_experiment": experiments},
    )


def _fit_and_predict(train: NDArray[np.float64], labels: NDArray[Any], test: NDArray[np.float64]) -> NDArray[Any]:
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=100, random_state=SEED)
    predicted: NDArray[Any] = classifier.fit(train, labels).predict(test)
    return predicted


PROTOCOL = ProtocolSpec(
    name="linear_probe",
    takes="labelled",
    metrics={"accuracy": "mean", "f1": None, "f1_weighted": None},
    inputs=inputs,
    score=score,
    keys=probing.KEYS,
    check=probing.check,
    layout_needs=("train_split",),
    modalities=frozenset({"image"}),
)
