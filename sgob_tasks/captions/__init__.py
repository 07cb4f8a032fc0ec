"""Sentences: which metadata sentences already are captions."""
