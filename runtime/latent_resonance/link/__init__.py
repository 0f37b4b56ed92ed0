"""Messages between the voice and the monitor: telemetry out, requests in.

No message has a field for an image or for landmarks. Both processes import this package; it
imports neither of them.
"""
