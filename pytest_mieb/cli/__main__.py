"""`python -m pytest_mieb.cli`, where the command is not on the path."""

from __future__ import annotations

import sys

from pytest_mieb.cli import main

if __name__ == "__main__":
    sys.exit(main())
