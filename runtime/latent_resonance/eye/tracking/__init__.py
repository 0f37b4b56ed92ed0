"""From an image to face landmarks: two trackers, and the selection of one."""
