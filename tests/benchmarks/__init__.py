"""Measured figures: ``make bench``, or one with ``python -m tests.benchmarks.<name>``."""
