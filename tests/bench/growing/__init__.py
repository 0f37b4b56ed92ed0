"""Cost of each part as a function of one quantity, with a fitted law, for `growth.py`."""
