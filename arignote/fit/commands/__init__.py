"""A fit and a page as commands, and the data that a command line names."""
