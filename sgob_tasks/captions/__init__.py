"""Captions: which sentences of the metadata say what a picture shows."""
