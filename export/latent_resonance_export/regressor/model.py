"""The regressor, features -> z, and its file.

RUN/regressor.pt   the network, the anchors and the report, as tensors and numbers
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from latent_resonance import LatentResonanceError
from latent_resonance.face_state import FEATURES
from latent_resonance_export.gan.checkpoint import CheckpointError, read_tensors
from latent_resonance_export.gan.models.loop_vaegan import unit_norm
from latent_resonance_export.regressor.real_movement import REAL_P95

# Weighted distance from rest at which each feature is on real visitors: about the same for all, so
# that none moves z as far as a random pair and none hardly at all; less for motion, and for the
# brow, which the losses of the controls move further.
POSE_DISTANCE, MOTION_DISTANCE = 0.28, 0.25
DISTANCES = {"brow_tension": 0.2, "motion": 0.17, "stillness": 0.19}
FEATURE_WEIGHTS = {"jaw_open": 0.2} | {
    name: DISTANCES.get(name, MOTION_DISTANCE if "velocity" in name else POSE_DISTANCE) / p95
    for name, p95 in REAL_P95.items()
}
FILE = "regressor.pt"
MAX_SLOPE = 6.0  # change of z, in units of its length, per unit of weighted features


class RegressorError(LatentResonanceError):
    """The regressor cannot be trained on the given input; nothing was written."""


def feature_weights() -> Tensor:
    """FEATURE_WEIGHTS in the order of the features: (16,)."""
    return torch.tensor([FEATURE_WEIGHTS[name] for name in FEATURES])


class Regressor(nn.Module):
    """(batch, 16) -> (batch, latent_dim) of unit mean square."""

    scale: Tensor

    def __init__(self, latent_dim: int, width: int = 96) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.register_buffer("scale", feature_weights())
        self.layers = nn.Sequential(
            nn.Linear(len(FEATURES), width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, latent_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """See the class; features in their own units, not weighted."""
        return unit_norm(self.layers(features * self.scale))


@dataclass(frozen=True)
class Trained:
    """A trained regressor.

    anchors : (n, latent_dim), the first for the neutral face
    report : the figures of the model card
    step : the generator's; a regressor fits no other
    how : number of training steps and seed
    """

    regressor: Regressor
    anchors: Tensor
    report: dict[str, float]
    step: int
    how: dict[str, int] = field(default_factory=dict)


def save_regressor(trained: Trained, run: Path) -> None:
    """Writes RUN/regressor.pt to a temporary file, then renames it."""
    path = run / FILE
    temporary = path.with_suffix(".part")
    state = {
        "latent_dim": trained.regressor.latent_dim,
        "regressor": trained.regressor.state_dict(),
        "anchors": trained.anchors,
        "report": trained.report,
        "step": trained.step,
        "how": trained.how,
    }
    torch.save(state, temporary)
    temporary.replace(path)


def load_regressor(run: Path) -> Trained:
    """The regressor of a run; nothing in the file is executed.

    Raises
    ------
    CheckpointError
        The file is missing, broken, or holds another network.
    """
    path = run / FILE
    if not path.exists():
        raise CheckpointError(f"there is no {path}: train-regressor {run} writes it")
    state = read_tensors(path, torch.device("cpu"))
    try:
        regressor = Regressor(int(state["latent_dim"]))
        regressor.load_state_dict(state["regressor"])
        return Trained(
            regressor.eval().requires_grad_(False),
            state["anchors"],
            dict(state["report"]),
            int(state["step"]),
            {name: int(number) for name, number in state["how"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no regressor: train-regressor {run} writes it") from error
