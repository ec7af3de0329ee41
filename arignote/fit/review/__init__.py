"""A run beside its data again: the rows that it held out, and its page."""
