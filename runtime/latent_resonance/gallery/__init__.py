"""Manners: how the instrument behaves when visitors come and go."""
