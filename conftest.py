"""What pytest must know of this checkout wherever it is started from."""

# Scripts that people run; their tests lie in tests/.
collect_ignore = ["benchmarks", "examples"]
