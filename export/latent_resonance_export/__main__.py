"""`python -m latent_resonance_export`: the same as the command `latent-resonance-export`."""

from __future__ import annotations

from latent_resonance_export.cli import main

if __name__ == "__main__":
    main()
