"""A simulated camera and sound card with exact timestamps, for `motion.py`."""
