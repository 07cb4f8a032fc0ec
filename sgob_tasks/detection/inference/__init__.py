"""Finding objects with a trained network."""
