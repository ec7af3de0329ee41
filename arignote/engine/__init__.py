"""Where torch lives."""
