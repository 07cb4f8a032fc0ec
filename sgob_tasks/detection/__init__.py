"""Mask R-CNN: model, data, training, inference, evaluation. Runs on the cluster, needs no store."""
