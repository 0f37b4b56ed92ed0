"""The eye: tracks a visitor's face and sends its features to the voice, and nothing else.

camera → tracking → features → `FaceState`; `pipeline` connects the stages and `main` runs them.
"""
