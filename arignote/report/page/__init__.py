"""The page of a run: one HTML file with its curves, matrices, layers and settings, which loads nothing else."""
