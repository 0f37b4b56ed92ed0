"""From features to samples: controls, latent vector, networks, spectrogram loop, phase, tone."""
