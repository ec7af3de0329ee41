"""What can be said of a config before it is trained: its errors, its settings, its rules, its time."""
