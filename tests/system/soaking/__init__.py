"""The parts of `soak.py`: a house with visitors, faults that befall it, and notes."""
