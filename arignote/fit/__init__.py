"""A fit: assembled, run, resumed, checked, tuned."""
