"""The batches of an epoch: the order of their rows, their augmentation, and reading them ahead."""
