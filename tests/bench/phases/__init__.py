"""Phase reconstruction compared: sounds, methods, measures and their picture, for `compare.py`."""
