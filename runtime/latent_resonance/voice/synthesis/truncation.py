"""Pull z towards that of the neutral face: below 1 calmer, above 1 wilder.

The truncation trick of Brock et al. 2019 ("Large scale GAN training"), as an interpolation towards
a centre as in StyleGAN (Karras et al. 2019), there in w. In a normal prior there is no densest
point, so the centre is the z that a face at rest has: at 0 every face plays its sound. The
regressor's z and the pack's anchors are pulled; examples that staff gave on site, held z, jitter
and drift are not, since each has its own value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class Truncation(NamedTuple):
    """Calls map z to the z that is played."""

    amount: float
    centre: FloatArray | None  # (latent_dim,); None changes nothing

    def __call__(self, z: FloatArray) -> FloatArray:
        """(..., latent_dim) -> the same shape; the same array if nothing changes."""
        if self.centre is None:
            return z
        truncated: FloatArray = self.centre + np.float32(self.amount) * (z - self.centre)
        return truncated
