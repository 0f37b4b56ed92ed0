"""From landmarks to the sixteen features of a FaceState."""
