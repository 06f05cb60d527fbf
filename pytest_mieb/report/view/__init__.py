"""What a run, or a comparison of two stored measurements, has to say: computed once, for every format to render."""

from pytest_mieb.report.view.building import of_run, of_stored
from pytest_mieb.report.view.rows import Compared, MeanRow, Row, TaskRow
from pytest_mieb.report.view.view import Basis, Detectable, MeasurementFacts, RunFacts, View, with_status
from pytest_mieb.report.view.wording import basis_lines, by_reason, listed

__all__ = [
    "Basis",
    "Compared",
    "Detectable",
    "MeanRow",
    "MeasurementFacts",
    "Row",
    "RunFacts",
    "TaskRow",
    "View",
    "basis_lines",
    "by_reason",
    "listed",
    "of_run",
    "of_stored",
    "with_status",
]
