"""Run Slurm jobs over SSH, each exactly once. Knows nothing of pictures.

- pure: ``states``, ``slurm`` (commands and what they print), ``batch`` (scripts), ``verdict``, ``resume``, ``plan``;
- the way there: ``ssh``, ``transport``, ``files``, ``jobdir``, ``deploy`` (this platform's code);
- the life of a job: ``submit``, ``jobs``, ``progress``, ``settle``, ``reconcile``, with ``ledger`` and ``accounting``;
- to look at: ``look``, ``follow``;
- ``sites``: a cluster's peculiarities as data; ``environments``: Python environments on the cluster.
"""
