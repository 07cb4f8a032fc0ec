"""Faults put on purpose into a real Slurm, and a count of what they did to the work. See ``docs/faults.md``."""
