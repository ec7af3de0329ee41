"""Runs on disk: loaded, converted from 2015, transferred from, and their names in a folder."""
