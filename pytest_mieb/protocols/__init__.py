"""How a task is scored: one module a protocol, plain functions from arrays to a `Scored`."""

from pytest_mieb.protocols.scored import Scored

__all__ = ["Scored"]
