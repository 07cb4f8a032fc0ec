"""These tests need TensorFlow: they belong to the cluster's environment; the control plane's collects none of them."""

from __future__ import annotations

import importlib.util
import os

from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

collect_ignore_glob = [] if importlib.util.find_spec("tensorflow") else ["test_*.py"]

# The same examples at every run, where a failure would stop others: continuous integration.
settings.register_profile("sgob-ci", derandomize=True)
