"""What a person sees of a run: one page with its pictures, corrections, captions, annotations and failures."""

from __future__ import annotations
