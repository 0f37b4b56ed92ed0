"""The parts of `soak.py`: an installation with visitors, injected faults, and an event log."""
