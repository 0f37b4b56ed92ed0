"""From samples to the loudspeaker: ring buffer, PortAudio process, device selection, recorder."""
