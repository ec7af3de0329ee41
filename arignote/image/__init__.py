"""Augmentation and whitening of images, by their import paths of 2015."""
