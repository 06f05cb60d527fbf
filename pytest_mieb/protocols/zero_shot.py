"""Zero-shot classification: the class whose prompt is most similar to the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_mieb.data.classes import prompted
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Labelled, Rows
from pytest_mieb.protocols.classification_metrics import classification_metrics
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.similarity import cosine
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec, ScoringError
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import CLASS_NAMES, OPTIONAL_FLAG, SCENE_NAMES, TEXT, Key
from pytest_mieb.support.wording import shown


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    """The images, and one prompt a class."""
    assert isinstance(rows, Labelled)
    prompts = [task.scoring["template"].replace("{label}", name) for name in _names(task, rows)]
    return {"test": rows.test.inputs, "classes": Inputs(texts=prompts)}


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    assert isinstance(rows, Labelled)
    index = {name: place for place, name in enumerate(_names(task, rows))}
    labels = [index[label] if isinstance(label, str) else label for label in rows.test.labels]
    return classify(embeddings["test"], embeddings["classes"], labels)


def _names(task: Task, rows: Labelled) -> Sequence[str]:
    names = prompted(task, rows.class_names)
    assert names is not None
    return names


def classify(images: Floats, prompts: Floats, labels: Sequence[int]) -> Scored:
    """Accuracy of the nearest prompt by cosine; of equally near ones the first.

    Args:
        images: shape (n, d).
        prompts: one a class, in class order, shape (c, d).
        labels: the class of each image, n of them.

    Outcomes: 1 for a right class.
    """
    similarity = cosine(images, prompts)
    truth = np.asarray(labels)
    predicted = similarity.argmax(axis=1)
    positive = similarity[:, 1] if similarity.shape[1] == 2 else None
    return Scored(
        metrics=classification_metrics(truth, predicted, positive), outcomes=(predicted == truth).astype(np.uint8)
    )


def check(scoring: Mapping[str, Any], notes: str) -> None:
    labels = scoring["labels"]
    if isinstance(labels, str):
        if labels not in (CLASS_NAMES, SCENE_NAMES):
            raise ScoringError("labels", f"{shown(labels)} is not legal; use one of: {CLASS_NAMES}, {SCENE_NAMES}")
    elif not labels or not all(isinstance(label, str) for label in labels):
        raise ScoringError("labels", f"{shown(labels)} is not a list of texts; write it as [first, second]")
    if scoring.get("labels_differ"):
        if isinstance(labels, str):
            raise ScoringError("labels_differ", f"the labels are the column's {labels}; leave it out")
        if not notes:
            raise ScoringError("labels_differ", "say in `notes` why the labels are not the column's classes")
    if "{label}" not in scoring["template"]:
        raise ScoringError("template", "holds no {label}; say where the class name goes")


PROTOCOL = ProtocolSpec(
    name="zero_shot",
    takes="labelled",
    metrics={"accuracy": "mean", "f1": None, "f1_weighted": None},
    inputs=inputs,
    score=score,
    keys={"template": TEXT, "labels": Key((str, tuple)), "labels_differ": OPTIONAL_FLAG},
    check=check,
    modalities=frozenset({"image", "text"}),
)
