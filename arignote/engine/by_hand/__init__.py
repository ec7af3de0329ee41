"""Layers whose forward and backward passes are written out, without autograd."""
