"""What each part costs when one quantity is varied, and by which law, for `growth.py`."""
