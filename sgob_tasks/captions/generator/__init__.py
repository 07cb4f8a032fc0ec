"""The caption generator: attention over the detector's regions, a word at a time.

Runs on the cluster (TensorFlow 2.11 to 2.15, Python 3.10 or newer); the programs are ``train`` and ``generate``:
``python -m sgob_tasks.captions.generator.train JOBDIR``. ``network``, ``training_step``, ``decoding``, ``model_files``
and the two programs need TensorFlow; the rest (``regions``, ``encoding``, ``class_words``, ``beam``, ``show`` and so
on) does without, for the control plane.
"""
