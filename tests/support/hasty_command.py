"""`latent-resonance` with short deadlines for networks: `python -m tests.support.hasty_command`."""

from __future__ import annotations

from latent_resonance.cli import main
from latent_resonance.voice import pack_loader
from latent_resonance.voice.synthesis import run_deadline

if __name__ == "__main__":
    run_deadline.DEADLINE_S, run_deadline.GRACE_S = 0.5, 0.1
    pack_loader.OPEN_DEADLINE_S = 3.0  # also for the bundled pack on a busy machine
    main()
