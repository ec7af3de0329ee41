"""What is told: lines, tables, progress."""
