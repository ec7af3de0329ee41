"""Advice about words and values that are nearly right."""
