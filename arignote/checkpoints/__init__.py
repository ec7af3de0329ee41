"""The state of a run, and its files: format, names, reading, writing, and storage."""
