"""Finding what a picture shows: Mask R-CNN, its data, training, inference and evaluation.

Everything here runs on the cluster (TensorFlow 2.11 to 2.15, Python 3.10 or newer). ``data``, ``evaluation`` and the
modules beside them (``boxes``, ``masks``, ``pictures``, ``config``) do without TensorFlow, so that the control plane
can prepare training data and evaluate; ``network``, ``weights``, ``training`` and ``inference`` need it.

The programs are ``train`` and ``infer``: ``python -m sgob_tasks.detection.train JOBDIR``.
"""

import os

# TensorFlow takes its faster kernels on some processors only. On the others (AVX2) they are a sixth faster, too. Here,
# because it must be said before TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
