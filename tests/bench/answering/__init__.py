"""How the sound answers a face: the parts of `tests/bench/answers.py`."""
