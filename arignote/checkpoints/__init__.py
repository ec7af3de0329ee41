"""What a run remembers, and how it is kept on disk."""
