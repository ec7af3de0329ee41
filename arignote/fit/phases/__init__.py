"""What changes in the course of a training: rules, pretraining, final epochs, a single pass."""
