"""Plain functions on arrays: influence, variance, tests and intervals."""
