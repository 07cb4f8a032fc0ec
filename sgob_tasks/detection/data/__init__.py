"""Training data: reading annotation formats, checking, splitting, sharding, augmenting, batching."""
