"""How good detections are: average precision, curves, confusion, mistakes, comparisons."""
