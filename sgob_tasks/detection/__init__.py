"""Finding what a picture shows: Mask R-CNN, its data, training, inference and evaluation.

Everything here runs on the cluster (TensorFlow 2.11 to 2.15, Python 3.10 or newer). ``boxes``, ``masks``, ``dataset``,
``voc``, ``split`` and ``evaluation`` need numpy, Pillow and pycocotools only, and run on the control plane as well.
"""
