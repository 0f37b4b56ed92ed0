"""Cameras and clips: selected, read on a thread, rate-limited and checked."""
