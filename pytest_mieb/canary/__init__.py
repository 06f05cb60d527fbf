"""The canary: a small frozen model whose pixels, tokens and embeddings are known, checked before the real model.

report = check(device)   # seconds; `report.moved` names what differs from the golden values, `report.sentence` says it
python -m pytest_mieb.canary            # the same check, printed station by station
python -m pytest_mieb.canary --record   # measure the golden values anew, after the miniature's model or a probe changed

Model, probes and golden values are fixed, so what moves is the environment: decoder, image library, tokenizer, kernels.
Every station starts from the golden values of the one before it, so a station that moved is itself at fault.
"""

from __future__ import annotations

from pytest_mieb.canary.report import CanaryError, CanaryReport, Deviation, Station


def check(device: str = "cpu") -> CanaryReport:
    """Compare this environment with the one that the golden values are from.

    Args:
        device: a torch device, on which the embeddings are computed in float32.

    Raises:
        CanaryError: a station cannot run at all, or the golden values are missing or those of another model.
    """
    from pytest_mieb.canary.comparison import compare
    from pytest_mieb.canary.golden import read
    from pytest_mieb.canary.stations import environment, load, observe

    golden = read()
    now = observe(load(device), golden)
    on_cpu = device.partition(":")[0] == "cpu"
    return CanaryReport(compare(golden, now, on_cpu=on_cpu), golden.environment, environment(device))


__all__ = ["CanaryError", "CanaryReport", "Deviation", "Station", "check"]
