"""`python -m latent_resonance` is the command `latent-resonance`."""

from __future__ import annotations

from latent_resonance.cli import main

if __name__ == "__main__":
    main()
