"""What to write instead of words and values that are nearly right."""
