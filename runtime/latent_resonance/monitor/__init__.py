"""The room's picture, the staff's page, and what other machines hear and ask.

A process of its own, off by default. It has the network that eye and voice do not have; of the
performance it knows what `link/` can say, columns of the sound and numbers, and nothing else.
"""
