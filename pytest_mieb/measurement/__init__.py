"""A task as it was measured: recorded, read again, and known by what it was measured with."""
