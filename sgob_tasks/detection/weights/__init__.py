"""Weights and models as files: reading any Matterport weights file, writing ours, exporting."""
