"""From an image to face landmarks: two trackers, and the choice between them."""
