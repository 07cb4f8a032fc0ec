"""Run Slurm jobs over SSH, each exactly once. Knows nothing of pictures."""
