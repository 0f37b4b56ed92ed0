"""The voice: latent → generator → loop → griffin_lim → tone → output, looped by perform."""
