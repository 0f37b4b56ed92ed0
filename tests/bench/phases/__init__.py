"""Sounds, methods, measures and plot of phase reconstruction, for `compare.py`."""
