"""Signals and notices of preemptible machines."""
