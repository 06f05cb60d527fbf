"""The 130 tasks of MIEB."""

from pytest_mieb.suite.task import CATEGORIES, DEFAULT_SUBSET, MODALITIES, SUITES, DatasetRef, Task

__all__ = ["CATEGORIES", "DEFAULT_SUBSET", "MODALITIES", "SUITES", "DatasetRef", "Task"]
