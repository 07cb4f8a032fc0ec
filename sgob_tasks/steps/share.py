"""Share the results as a data set."""
