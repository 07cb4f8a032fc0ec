"""Captions: found among the metadata's sentences (``classifier``), or written (``generator``), and scored."""
