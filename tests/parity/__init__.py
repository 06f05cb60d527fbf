"""The reference implementation and ours, side by side on the same data: `python -m tests.parity`."""
