"""What a validation of a run computes: losses, scores, monitored quantities."""
