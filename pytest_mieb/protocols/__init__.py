"""How a task is scored: one module a protocol, and the registry of all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pytest_mieb.protocols import (
    clustering,
    linear_probe,
    multilabel_linear_probe,
    pair_classification,
    retrieval,
    sts,
    zero_shot,
)
from pytest_mieb.protocols.scored import Scored
from pytest_mieb.protocols.spec import Embeddings, Estimator, ProtocolSpec
from pytest_mieb.suite import Task
from pytest_mieb.support.extensions import registry

OWN = (
    linear_probe.PROTOCOL,
    multilabel_linear_probe.PROTOCOL,
    clustering.PROTOCOL,
    zero_shot.PROTOCOL,
    pair_classification.PROTOCOL,
    sts.PROTOCOL,
    retrieval.RETRIEVAL,
    retrieval.MULTIPLE_CHOICE,
)

__all__ = ["Embeddings", "Estimator", "ProtocolSpec", "Scored", "estimator_of", "known", "needs", "protocol_of"]


@cache
def known() -> Mapping[str, ProtocolSpec]:
    """All protocols by name, those of other packages (entry points of `pytest_mieb.protocols`) too."""
    return registry("pytest_mieb.protocols", OWN, ProtocolSpec)


def protocol_of(task: Task) -> ProtocolSpec:
    """The protocol that a task is scored by."""
    return known()[task.protocol]


def estimator_of(task: Task) -> Estimator | None:
    """How the task's score comes from its outcomes; None where it does not."""
    return protocol_of(task).metrics.get(task.metric)


def needs(task: Task) -> frozenset[str]:
    """The modalities that a model must embed to do the task: image, text or both."""
    modalities = protocol_of(task).modalities
    if modalities is not None:
        return modalities
    letters = set(task.modalities.replace("2", ""))
    return frozenset(name for letter, name in (("i", "image"), ("t", "text")) if letter in letters)
