"""What the canary found: each station's deviations, and one sentence on the first that moved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class CanaryError(Exception):
    """The canary cannot be checked; the message says why and what to do."""


@dataclass(frozen=True)
class Deviation:
    """How far one thing lies from its golden value, and how far it may, both in `unit`."""

    what: str
    found: float
    allowed: float
    unit: str

    @property
    def moved(self) -> bool:
        """Beyond what is allowed; so is NaN."""
        return not self.found <= self.allowed

    @property
    def text(self) -> str:
        return f"{self.what}: {self.found:.3g} {self.unit}, where {self.allowed:.3g} is allowed"

    @property
    def _severity(self) -> float:
        if self.allowed:
            return self.found / self.allowed if not math.isnan(self.found) else math.inf
        return math.inf if self.moved else 0.0


@dataclass(frozen=True)
class Station:
    """One step from file to embedding, with at least one deviation."""

    name: str
    deviations: tuple[Deviation, ...]

    @property
    def worst(self) -> Deviation:
        """The deviation that is largest in proportion to what is allowed; of equal ones the first."""
        return max(self.deviations, key=lambda deviation: deviation._severity)

    @property
    def moved(self) -> bool:
        return any(deviation.moved for deviation in self.deviations)

    @property
    def line(self) -> str:
        return f"{self.name}: {'moved' if self.moved else 'as recorded'} ({self.worst.text})"


@dataclass(frozen=True)
class CanaryReport:
    """The stations from file to embedding, in order, and the environments: of the golden values, and this one."""

    stations: tuple[Station, ...]
    golden: Mapping[str, str]
    now: Mapping[str, str]

    @property
    def moved(self) -> tuple[str, ...]:
        """The names of the stations that moved, in order."""
        return tuple(station.name for station in self.stations if station.moved)

    @property
    def changes(self) -> Mapping[str, tuple[str, str]]:
        """What differs between the environments: its golden value and the one now."""
        names = dict.fromkeys([*self.golden, *self.now])
        both = {name: (self.golden.get(name, "none"), self.now.get(name, "none")) for name in names}
        return {name: (before, now) for name, (before, now) in both.items() if before != now}

    @property
    def sentence(self) -> str | None:
        """The first station that moved, by how much, against which versions, and what to do; None where none moved."""
        if not self.moved:
            return None
        first = next(station for station in self.stations if station.moved)
        others = f", and after it {', '.join(self.moved[1:])}" if self.moved[1:] else ""
        head = f"the environment moved, not the model: first the canary's {first.name} ({first.worst.text}){others}"
        if not self.changes:
            versions = ", ".join(f"{name} {version}" for name, version in self.golden.items())
            return (
                f"{head}; the golden values are from the same {versions}, so look for a damaged installation or for "
                "settings that lower precision (TF32, bfloat16, autocast)"
            )
        before = ", ".join(f"{name} {pair[0]}" for name, pair in self.changes.items())
        now = ", ".join(f"{name} {pair[1]}" for name, pair in self.changes.items())
        return (
            f"{head}; the golden values are from {before}, this is {now}: go back to the former, or record the "
            "baseline anew in this environment with --mieb-update"
        )

    @property
    def lines(self) -> list[str]:
        """One line a station, each ready to be shown."""
        return [station.line for station in self.stations]

    def to_json(self) -> dict[str, Any]:
        """Plain values; a deviation that is not finite becomes None."""
        return {
            "moved": list(self.moved),
            "sentence": self.sentence,
            "stations": [
                {
                    "name": station.name,
                    "moved": station.moved,
                    "what": station.worst.what,
                    "deviation": station.worst.found if math.isfinite(station.worst.found) else None,
                    "allowed": station.worst.allowed,
                    "unit": station.worst.unit,
                }
                for station in self.stations
            ],
            "golden": dict(self.golden),
            "now": dict(self.now),
        }
