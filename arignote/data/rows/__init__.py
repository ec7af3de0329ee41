"""Rows as the network takes them: opened from what a user passes, checked, preprocessed, selected."""
