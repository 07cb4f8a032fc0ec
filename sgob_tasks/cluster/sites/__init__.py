"""A cluster's peculiarities as data: values and where they come from, checks against the real cluster, clean-up."""
