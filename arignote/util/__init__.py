"""Import paths of 2015, names only."""
