"""Sources of rows: one reader per kind of file."""
