"""The policy as a user writes it, for the plugin and for the command."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mieb.gate.policy import Policy, parse_policy, refuse_strange_tolerances
from pytest_mieb.suite import load_tasks


def given(**facts: Any) -> Policy:
    return parse_policy(**{"kind": None, "alpha": None, "tolerances": (), **facts})


@pytest.mark.parametrize(
    ("facts", "policy"),
    [
        ({}, Policy()),
        ({"kind": "non-inferiority"}, Policy("non-inferiority")),
        ({"alpha": "0.1"}, Policy(alpha=0.1)),
        ({"tolerances": ["1", "0.25"]}, Policy(tolerance=0.0025)),
        ({"tolerances": ["STL10=2", "means=0", "STL10=3"]}, Policy(named={"STL10": 0.03, "means": 0.0})),
        ({"strict_context": True}, Policy(strict_context=True)),
    ],
)
def test_what_is_left_out_is_the_default(facts: dict[str, Any], policy: Policy) -> None:
    assert given(**facts) == policy


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"kind": "strict"}, "--mieb-policy=strict: legal are significance, non-inferiority"),
        *(({"alpha": alpha}, f"--mieb-alpha={alpha}: give a share above 0 and up to 0.5") for alpha in ("0", "1", "x")),
        *(
            ({"tolerances": [each]}, f"--mieb-tolerance={each}: give points from 0 to 100")
            for each in ("-1", "101", "nan", "STL10", "STL10=", "=1", "")
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        given(**facts, prefix="--mieb-")


def test_a_tolerance_of_nothing_is_refused_with_near_names() -> None:
    tasks = load_tasks()
    refuse_strange_tolerances(Policy(named={"STL10": 0.01, "clustering": 0.01, "means": 0.01}), tasks)
    with pytest.raises(ValueError, match=r"^--tolerance=STL1=\.\.\.: no category or task 'STL1'; near are STL10"):
        refuse_strange_tolerances(Policy(named={"STL1": 0.01}), tasks)
