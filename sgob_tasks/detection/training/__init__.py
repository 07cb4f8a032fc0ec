"""Training on many ranks: the step, its schedule, checkpoints, the exchange between ranks."""
