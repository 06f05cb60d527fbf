"""Baselines, and what a score means against one."""
