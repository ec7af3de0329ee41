"""Layers whose gradients are computed without autograd."""
