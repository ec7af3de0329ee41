"""Upper bounds of values in files; files beyond them are refused before they take memory or time."""

from __future__ import annotations

__all__ = ["LARGEST_COUNT", "MOST_AXES", "MOST_LAYERS", "MOST_THREADS"]

# Layers of one network; the deepest that have been trained have about a thousand.
MOST_LAYERS = 10_000
# The largest machines have about as many cores; the engine crashes if it cannot start as many threads as requested.
MOST_THREADS = 1024
# Epochs, batches, examples: what a float64 of the history represents exactly.
LARGEST_COUNT = 2**53
# Axes of an array, as many as NumPy 1 has; NumPy 2 has 64.
MOST_AXES = 32
