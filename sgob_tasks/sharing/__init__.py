"""Data sets for object stores and data-sharing platforms."""
