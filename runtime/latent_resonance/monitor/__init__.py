"""The wall display, the staff page, and the interfaces for other machines.

A separate process, off by default. It has the network access that eye and voice lack. It knows the
performance only through `link/`: spectrogram columns and numbers.
"""
