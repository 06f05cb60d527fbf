import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parity: compares all tasks with the reference implementation; takes minutes")
