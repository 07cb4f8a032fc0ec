"""Time context: what an artwork's date makes impossible or unlikely is taken out of what the detector says."""
