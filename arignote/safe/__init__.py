"""Untrusted files, read as plain data within bounds; nothing that a file names is imported or called."""
