"""Layers whose gradients are written out by hand."""
