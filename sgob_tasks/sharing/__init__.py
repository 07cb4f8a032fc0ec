"""Data sets for others: built from the store with the same bytes for the same content, and put on S3 once."""

from __future__ import annotations
