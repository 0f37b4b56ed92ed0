"""Cameras, films and streams: opened, read in a process of their own, rate-limited and checked."""
