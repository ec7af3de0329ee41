"""Stop requests: signals, and preemption notices of cloud providers."""
