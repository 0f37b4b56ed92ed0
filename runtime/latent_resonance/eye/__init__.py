"""The eye: sees a visitor's face and tells the voice how it moves, and nothing else.

camera → reader → tracker → person → landmarks → features → watch, in the order of the signal.
"""
