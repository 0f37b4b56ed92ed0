"""Computes the sixteen features of a FaceState from landmarks."""
