"""Text that people read: progress lines, tables, scores, predictions; events for observers."""
