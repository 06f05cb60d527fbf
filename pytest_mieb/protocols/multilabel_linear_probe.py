"""Multilabel probing (VOC2007): five nearest neighbours on a few images of every label, repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Rows
from pytest_mieb.protocols import probing
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task

SEED = 42


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    return probing.inputs_of(task, rows, draw)


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    return probing.score_of(task, rows, embeddings, draw, probe)


def draw(labels: Sequence[Sequence[int]], n_experiments: int, samples_per_label: int) -> list[list[int]]:
    """The training rows of each experiment, in training order.

    One generator serves all experiments; each shuffles a fresh list of the rows, and keeps a row if any of its labels
    has fewer than `samples_per_label`, then counts all its labels.
    """
    generator = np.random.default_rng(SEED)
    draws = []
    for _ in range(n_experiments):
        rows = list(range(len(labels)))
        generator.shuffle(rows)
        kept: Counter[int] = Counter()
        drawn = []
        for row in rows:
            if any(kept[label] < samples_per_label for label in labels[row]):
                drawn.append(row)
                kept.update(labels[row])
        draws.append(drawn)
    return draws


def probe(
    train: Floats,
    train_labels: Sequence[Sequence[int]],
    draws: Sequence[Sequence[int]],
    test: Floats,
    test_labels: Sequence[Sequence[int]],
    samples_per_label: int,
) -> Scored:
    """Label ranking average precision of the predicted 0/1 matrix, averaged over the experiments.

    Shapes as in `linear_probe.probe`, with a list of labels a row. Outcomes: a row's average precision in each
    experiment, shape (n, experiments); a row with no label, or with all of them, counts 1.
    """
    from sklearn.metrics import f1_score
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer()
    truth = binarizer.fit_transform(test_labels)
    known = set(binarizer.classes_.tolist())
    targets = binarizer.transform([[label for label in row if label in known] for row in train_labels])
    learned, wide = np.asarray(train, dtype=np.float64), np.asarray(test, dtype=np.float64)
    experiments, outcomes = [], []
    for drawn in draws:
        classifier = KNeighborsClassifier(n_neighbors=5).fit(learned[list(drawn)], targets[list(drawn)])
        predicted = np.asarray(classifier.predict(wide))
        precision = ranking_average_precision(truth, predicted)
        outcomes.append(precision)
        experiments.append(
            {
                "accuracy": float((truth == predicted).all(axis=1).mean()),
                "lrap": float(precision.mean()),
                "f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
                "hamming": float(jaccard(truth, predicted).mean()),
            }
        )
    return Scored(
        metrics={name: float(np.mean([each[name] for each in experiments])) for name in experiments[0]},
        outcomes=np.stack(outcomes, axis=1),
        details={"samples_per_label": samples_per_label, "scores_per_experiment": experiments},
    )


def ranking_average_precision(truth: NDArray[np.integer], scores: NDArray[np.integer]) -> NDArray[np.float64]:
    """Label ranking average precision of each row (Schapire and Singer, 2000), as scikit-learn averages it.

    Args:
        truth: 0/1, shape (n, labels).
        scores: any numbers, same shape. Equal scores share the worst rank among them.

    A row with no true label, or with all of them, is 1.
    """
    at_least = scores[:, None, :] >= scores[:, :, None]
    rank = at_least.sum(axis=2)
    true_rank = (at_least & truth[:, None, :].astype(bool)).sum(axis=2)
    relevant = truth.sum(axis=1)
    precision = (truth * true_rank / rank).sum(axis=1) / np.maximum(relevant, 1)
    return np.where((relevant == 0) | (relevant == truth.shape[1]), 1.0, precision)


def jaccard(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.float64]:
    """Shared labels over labels in either, a row; 1 where there are none. The reference calls its mean `hamming`."""
    true, found = truth.astype(bool), predicted.astype(bool)
    either = (true | found).sum(axis=1)
    return np.where(either == 0, 1.0, (true & found).sum(axis=1) / np.maximum(either, 1))


PROTOCOL = ProtocolSpec(
    name="multilabel_linear_probe",
    takes="labelled",
    metrics={"lrap": "mean", "accuracy": None, "f1": None},
    inputs=inputs,
    score=score,
    keys=probing.KEYS,
    check=probing.check,
    layout_needs=("train_split",),
    modalities=frozenset({"image"}),
)
