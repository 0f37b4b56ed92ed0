"""The default architecture: looped generator, encoder and a discriminator of two networks.

Mel bands are *channels* and every convolution runs over time only, circularly, so a
partial is a channel that is on or off and the loop closes without a seam. A second, small
discriminator sees two-dimensional patches: it judges whether a vibrato is a smooth line and an
attack a sharp edge.

Shapes: z (batch, latent_dim), spectrogram (batch, 1, n_mels, n_frames) in [-1, 1].
Plain PyTorch operators only, so that the generator exports to ONNX. The attributes are keys of
state_dicts, so their names stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance_export.gan.models.protocol import Discriminator

SEED_FRAMES = 8  # the loop begins with this many frames and is doubled up to n_frames
SEED_GAIN = 0.3
HEADROOM = 1.04
FAR_BELOW, ALMOST_SILENT = -3.0, -1.5  # HEADROOM * tanh: -3 is beyond -1, -1.5 is within
FIRST_OUTPUT_LEVEL = 3  # the first level (64 frames) with an output; lower ones only compose
MARGIN = 4  # steps beside a part of a loop: twice the frames, less 8, per level; 8 remain
WIDTHS = (320, 320, 320, 320, 320, 256, 256)  # of the generator's levels, 8 to 512 frames
ENCODER_WIDTHS = (256, 256, 320, 320, 320, 320)  # from 256 frames down to 8
DISCRIMINATOR_WIDTHS = (256, 320, 384, 384, 384, 384)


def n_halvings(n_frames: int) -> int:
    """How often a loop is halved to reach the seed's 8 frames."""
    return (n_frames // SEED_FRAMES).bit_length() - 1


def fitted(widths: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The first n widths; for longer loops the last one is repeated."""
    return (*widths, *(widths[-1],) * n)[:n]


def initialise(network: nn.Module) -> None:
    """Keeps the variance through every layer (He et al. 2015), so z matters from step one."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, a=0.2)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def circular_pad(x: Tensor, left: int, right: int) -> Tensor:
    """Pads time, the last axis, with frames from the other end of the loop."""
    return torch.cat([x[..., x.shape[-1] - left :], x, x[..., :right]], dim=-1)


def unit_norm(x: Tensor) -> Tensor:
    """Unit mean square over channels (Karras et al. 2018, pixel-wise normalisation)."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-6)


class CircularConv(nn.Conv1d):
    """Circular convolution of width 3."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, kernel_size=3)

    def forward(self, x: Tensor, circular: bool = True) -> Tensor:
        """(batch, n_in, frames) -> (batch, n_out, frames); two frames fewer if not circular."""
        return super().forward(circular_pad(x, 1, 1) if circular else x)


class ModulatedLayer(nn.Module):
    """Convolution, normalised, then scaled and shifted per channel by the style (FiLM)."""

    def __init__(self, n_in: int, n_out: int, n_style: int) -> None:
        super().__init__()
        self.conv = CircularConv(n_in, n_out)
        self.style = nn.Linear(n_style, 2 * n_out)

    def forward(self, x: Tensor, style: Tensor, circular: bool = True) -> Tensor:
        """(batch, n_in, frames) and (batch, n_style) -> (batch, n_out, frames)."""
        scale, shift = self.style(style).unsqueeze(-1).chunk(2, dim=1)
        x = unit_norm(self.conv(x, circular))
        return functional.leaky_relu(x * (1.0 + scale) + shift, 0.2)


class LoopGenerator(nn.Module):
    """z -> style; a seed of 8 frames is doubled in time, each level adding to the spectrogram."""

    def __init__(
        self,
        latent_dim: int = 128,
        n_mels: int = 512,
        widths: tuple[int, ...] = WIDTHS,
        n_style: int = 192,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.mapping = nn.Sequential(
            nn.Linear(latent_dim, n_style),
            nn.LeakyReLU(0.2),
            nn.Linear(n_style, n_style),
            nn.LeakyReLU(0.2),
        )
        self.seed = nn.Parameter(torch.randn(1, widths[0], SEED_FRAMES))
        self.seed_of_style = nn.Linear(n_style, widths[0] * SEED_FRAMES)
        n_in = (widths[0], *widths[:-1])
        pairs = list(zip(n_in, widths, strict=True))
        self.first = nn.ModuleList(ModulatedLayer(a, b, n_style) for a, b in pairs)
        self.second = nn.ModuleList(ModulatedLayer(b, b, n_style) for _, b in pairs)
        self.first_output_level = min(FIRST_OUTPUT_LEVEL, len(widths) - 1)
        output_widths = widths[self.first_output_level :]
        self.to_mel = nn.ModuleList(nn.Conv1d(b, n_mels, 1) for b in output_widths)
        initialise(self)
        for layer in self.output_layers():
            nn.init.normal_(layer.weight, std=0.1 / layer.in_channels**0.5)

    def output_layers(self) -> list[nn.Conv1d]:
        """The convolutions from channels to mel bands, of the lowest level first."""
        return [cast("nn.Conv1d", layer) for layer in self.to_mel]

    def forward(self, z: Tensor, places: Tensor | None = None) -> Tensor:
        """(batch, latent_dim) of any length -> (batch, 1, n_mels, n_frames) in [-1, 1].

        Parameters
        ----------
        places : (n + 2 MARGIN,) steps of the loop, n of which are generated: a step is as many
            frames as one frame of the first output level becomes. By default, all of them.
        """
        style = self.mapping(unit_norm(z))  # (batch, n_style)
        x = SEED_GAIN * self.seed + self.seed_of_style(style).unflatten(1, self.seed.shape[1:])
        for level in range(self.first_output_level + 1):
            if level > 0:
                x = smooth_double(x)  # repeated frames would leave a grain in every spectrogram
            x = self._level(level, x, style, circular=True)  # (batch, width, 8 * 2**level)
        if places is not None:
            x = x.index_select(-1, places)
        spectrogram = self._outputs(x, style, circular=places is None)
        if places is not None:
            spectrogram = spectrogram[..., MARGIN:-MARGIN]
        return bounded(spectrogram).unsqueeze(1)

    def _level(self, level: int, x: Tensor, style: Tensor, circular: bool) -> Tensor:
        x = self.first[level](x, style, circular)
        return cast("Tensor", self.second[level](x, style, circular))

    def _outputs(self, x: Tensor, style: Tensor, circular: bool) -> Tensor:
        """Channels of the first output level -> (batch, n_mels, frames), before the limits."""
        double = smooth_double if circular else smooth_double_within
        spectrogram: Tensor = self.to_mel[0](x)
        for i, to_mel in enumerate(self.to_mel[1:], 1):
            x = self._level(self.first_output_level + i, double(x), style, circular)
            doubled = double(spectrogram)
            spectrogram = (doubled if circular else doubled[..., 2:-2]) + to_mel(x)
        return spectrogram

    def whole_loop(self) -> Tensor:
        """The places of a whole loop, for `forward`: (steps + 2 MARGIN,)."""
        steps = SEED_FRAMES << self.first_output_level
        return torch.arange(-MARGIN, steps + MARGIN) % steps

    def silence(self, bands: Tensor) -> None:
        """Silences mel bands, (n_mels,) of bool, whatever z is, and during all training.

        Their output is far below silence, where the clamp blocks the gradient. Bands that were
        silenced before, as in the network of a warm start, become trainable again.
        """
        with torch.no_grad():
            layers = self.output_layers()
            used = torch.stack([layer.weight.abs().amax(dim=(1, 2)) for layer in layers]).sum(dim=0)
            silenced = used.cpu() == 0.0
            for layer in layers:
                assert layer.bias is not None
                layer.weight[bands] = 0.0
                layer.bias[bands | silenced] = 0.0
            lowest = layers[0].bias
            assert lowest is not None
            lowest[silenced] = ALMOST_SILENT
            lowest[bands] = FAR_BELOW

    def load_constants(self, constants: Mapping[str, Tensor]) -> None:
        """Loads the weights from an ONNX file of such a network; all but the seed keep their names.

        The exporter folds the seed's gain into the seed, which is found by its shape.

        Raises
        ------
        KeyError, RuntimeError
            A weight is missing, or has another shape.
        """
        names = self.state_dict().keys() - {"seed"}
        folded = [
            constant
            for name, constant in constants.items()
            if name not in names and constant.shape == self.seed.shape
        ]
        if len(folded) != 1:
            raise KeyError("seed")
        weights = {name: constants[name] for name in names}
        self.load_state_dict({**weights, "seed": folded[0] / SEED_GAIN})


def bounded(x: Tensor) -> Tensor:
    """Into [-1, 1], both ends included: a plain tanh hardly ever reaches -1, which is silence."""
    return (HEADROOM * torch.tanh(x)).clamp(-1.0, 1.0)


def smooth_double(x: Tensor) -> Tensor:
    """Doubles the frames of a loop by linear interpolation."""
    before, after = torch.roll(x, 1, dims=-1), torch.roll(x, -1, dims=-1)
    pair = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=-1)
    return pair.flatten(-2)


def smooth_double_within(x: Tensor) -> Tensor:
    """Doubles the frames of a part of a loop, without its first and last."""
    inner = x[..., 1:-1]
    pair = [0.75 * inner + 0.25 * x[..., :-2], 0.75 * inner + 0.25 * x[..., 2:]]
    return torch.stack(pair, dim=-1).flatten(-2)


class LoopTrunk(nn.Module):
    """The generator's mirror image: halves the loop down to 8 frames."""

    def __init__(self, n_mels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        n_in = (n_mels, *widths[:-1])
        pairs = list(zip(n_in, widths, strict=True))
        self.halve = nn.ModuleList(nn.Conv1d(a, b, 4, stride=2) for a, b in pairs)
        self.refine = nn.ModuleList(CircularConv(b, b) for b in widths)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, n_mels, n_frames) -> (batch, widths[-1], 8)."""
        x = x.squeeze(1)  # (batch, n_mels, n_frames)
        for halve, refine in zip(self.halve, self.refine, strict=True):
            x = functional.leaky_relu(halve(circular_pad(x, 1, 1)), 0.2)
            x = (x + functional.leaky_relu(refine(x), 0.2)) * 0.7
        return x


class Encoder(nn.Module):
    """Spectrogram -> the z that should generate it; used in training only."""

    def __init__(
        self,
        latent_dim: int = 128,
        n_mels: int = 512,
        widths: tuple[int, ...] = ENCODER_WIDTHS,
    ) -> None:
        super().__init__()
        self.trunk = LoopTrunk(n_mels, widths)
        self.z = nn.Linear(widths[-1] * SEED_FRAMES, latent_dim)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, n_mels, n_frames) -> (batch, latent_dim) of unit mean square."""
        return unit_norm(self.z(self.trunk(x).flatten(1)).float())


class WholeLoopDiscriminator(nn.Module):
    """Sees whole loops: one logit for each of 8 stretches of time."""

    def __init__(self, n_mels: int = 512, widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS) -> None:
        super().__init__()
        self.trunk = LoopTrunk(n_mels, widths)
        self.judge = CircularConv(widths[-1] + 1, widths[-1])
        self.logit = nn.Conv1d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, n_mels, n_frames) -> logits (batch, 8)."""
        x = self.trunk(x)
        x = torch.cat([x, batch_deviation(x)], dim=1)
        x = functional.leaky_relu(self.judge(x), 0.2)
        logits: Tensor = self.logit(x)
        return logits.squeeze(1)


def batch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Mean deviation within groups of the batch, as one more channel (Karras et al. 2018)."""
    group = min(group, x.shape[0])
    groups = x.float().view(group, -1, *x.shape[1:])
    deviation = groups.var(dim=0, unbiased=False).add(1e-8).sqrt().mean(dim=(1, 2), keepdim=True)
    return deviation.repeat(group, 1, x.shape[2]).to(x.dtype)


class PatchDiscriminator(nn.Module):
    """Sees patches of mel and time, with their height in the spectrum as a second channel."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        n_in = (2, *widths[:-1])
        pairs = zip(n_in, widths, strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.logit = nn.Conv2d(widths[-1], 1, 3)

    def forward(self, patch: Tensor, height: Tensor) -> Tensor:
        """Patch and its height, both (batch, 1, mels, frames) -> (batch, n_logits).

        The height is -1 at the bottom of the whole spectrum and 1 at its top.
        """
        x = torch.cat([patch, height], dim=1)
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
        logits: Tensor = self.logit(x)
        return logits.flatten(1)


class LoopDiscriminator(Discriminator):
    """Both discriminators; each returns logits (batch, n_logits)."""

    NAMES = ("loop", "texture")
    PATCH = (192, 96)  # mels, frames, at most

    def __init__(self, n_mels: int = 512, widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS) -> None:
        super().__init__()
        self.loop = WholeLoopDiscriminator(n_mels, widths)
        self.texture = PatchDiscriminator()
        initialise(self)

    def forward(self, x: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 1, n_mels, n_frames) -> the logits of the whole loops and of the patches.

        corners : (n_patches, 2) in 0..1, positions of the patches, the same for the whole batch
        """
        height = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype)
        height = height.view(1, 1, -1, 1).expand(x.shape[0], 1, -1, x.shape[3])
        size = (min(self.PATCH[0], x.shape[2]), min(self.PATCH[1], x.shape[3]))
        texture = [
            self.texture(crop(x, corner, size), crop(height, corner, size)) for corner in corners
        ]
        return self.loop(x), torch.cat(texture, dim=1)


def crop(x: Tensor, corner: Tensor, size: tuple[int, int]) -> Tensor:
    """Cuts (mels, frames) out of (batch, 1, n_mels, n_frames) at a corner given in 0..1."""
    spare = (full - part for full, part in zip(x.shape[2:], size, strict=True))
    top, left = (int(float(c) * room) for c, room in zip(corner, spare, strict=True))
    return x[:, :, top : top + size[0], left : left + size[1]]
