"""What makes a model a version, and which version is the champion: provenance, comparison, promotion."""
