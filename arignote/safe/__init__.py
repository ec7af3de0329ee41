"""Foreign bytes, read as plain data within bounds: nothing is imported or called because a file says so."""
