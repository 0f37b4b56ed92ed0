"""Pitch glides: from one column of a spectrogram to another, with the pitch on the way.

Pure. A cross-fade between two notes is two notes at once. Here both columns are warped along
log-frequency to the pitch on the way and then blended:

    a(f / r**t) (1 - t) + b(f / r**(t - 1)) t,    t from 0 to 1

where r is the interval from a to b. Where there is none (chords, noise, silence) r is 1, and the
formula is a plain blend.

The interval is the shift at which the harmonic sums of both correlate best: the sum over k of the
levels at k f, after Hermes (1988), "Measurement of pitch by subharmonic summation", less those a
half and a third of the way between them: where f is twice or three times the pitch, there are
partials. docs/decisions/031 compares alternatives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio import fft
from latent_resonance.audio.moving_window import moving_mean
from latent_resonance.audio.sparse_matrix import SparseMatrix
from latent_resonance.audio.spectrogram import FloatArray, Geometry, hz_to_mel, mel_frequencies

POINTS_PER_OCTAVE = 192  # of the log-frequency axis: 6 cents
LOWEST_HZ, HIGHEST_HZ = 40.0, 3000.0  # of the axis
FARTHEST = 2.8  # octaves
HARMONICS, DECAY = 16, 0.9  # summed, and the weight of each relative to the one before it
BETWEEN = {1 / 3: 0.3, 1 / 2: 0.6, 2 / 3: 0.3}  # weights of what is subtracted between harmonics
N_BETWEEN = 6  # harmonics between which it is
SHARPNESS = 4  # power of the harmonic sums: their peaks count, not their slopes
SMOOTH_OCTAVES = 1.4  # local mean that is removed: the slope is ignored, partials count
PITCH_RANGE_DB = 30.0  # below the loudest partial; what is weaker does not count
NEARER = 0.05  # correlation that an octave's distance costs: of two candidates, the nearer
# The mel scale of `hz_to_mel`: linear below, logarithmic above.
LINEAR_BELOW_HZ, LINEAR_MELS_PER_HZ = 1000.0, 3.0 / 200.0
MELS_PER_OCTAVE = 27.0 * np.log(2.0) / np.log(6.4)
ALIKE = 0.65  # least correlation that is an interval; two noises seldom have as much
STILL_ALIKE, STILL_NEAR = 0.4, 0.1  # the same within so many octaves of one found before

Axis = NDArray[np.float64]  # (points,) on the log-frequency axis


class PitchGlide:
    """Finds the interval between two columns, and makes the columns between them.

    Columns are amplitudes on the geometry's mel bands: (..., n_mels).
    """

    def __init__(self, geometry: Geometry) -> None:
        self.hz = mel_frequencies(geometry)[1:-1]
        mel = hz_to_mel(self.hz)
        self.first_mel, self.bands_per_mel = mel[0], 1.0 / (mel[1] - mel[0])
        self.last = len(mel) - 1
        # positions of the bands, as if the mel scale was linear, and as if it was logarithmic
        self.linear = self.hz * (LINEAR_MELS_PER_HZ * self.bands_per_mel)
        mel_octaves = np.log2(self.hz / LINEAR_BELOW_HZ)
        above_mel = float(hz_to_mel(LINEAR_BELOW_HZ)) + mel_octaves * MELS_PER_OCTAVE
        self.logarithmic = (above_mel - self.first_mel) * self.bands_per_mel
        n = round(np.log2(HIGHEST_HZ / LOWEST_HZ) * POINTS_PER_OCTAVE)
        position = self._position(LOWEST_HZ * 2.0 ** (np.arange(n) / POINTS_PER_OCTAVE))
        self.below = np.clip(position.astype(np.intp), 0, self.last - 1)
        self.share = np.clip(position - self.below, 0.0, 1.0)
        self.harmonic_sum = _harmonic_sum(n)
        self.reach = round(FARTHEST * POINTS_PER_OCTAVE)
        self.size = fft.next_fast_len(n + self.reach)
        self.octaves = np.arange(-self.reach, self.reach + 1) / POINTS_PER_OCTAVE

    def interval(self, a: FloatArray, b: FloatArray, near: float = 0.0) -> float:
        """Octaves from column a to column b, both (n_mels,); 0 where there is no interval.

        near : octaves, found before, or 0; of two intervals that are as likely, the nearer to this
            one is chosen, and where none is likely, this one is still there with less correlation
        """
        pitches_a, pitches_b = self._pitches(a), self._pitches(b)
        scale = float(np.linalg.norm(pitches_a) * np.linalg.norm(pitches_b))
        if scale == 0.0:
            return 0.0
        correlation = self._correlation(pitches_a, pitches_b) / scale
        best = int(np.argmax(correlation - NEARER * np.abs(self.octaves - near)))
        if correlation[best] > ALIKE:
            return float(self.octaves[best])
        return self._still_there(correlation, near) if near != 0.0 else 0.0

    def _still_there(self, correlation: Axis, near: float) -> float:
        """The likeliest interval around one found before; 0 if it is not there any more."""
        around = np.abs(self.octaves - near) <= STILL_NEAR
        best = int(np.argmax(np.where(around, correlation, -1.0)))
        return float(self.octaves[best]) if correlation[best] > STILL_ALIKE else 0.0

    def between(self, a: FloatArray, b: FloatArray, share: float, octaves: float) -> FloatArray:
        """The columns at `share` (0..1) of the way from a to b, which lies `octaves` higher.

        a, b : (..., n_mels), alike in shape; so is the result
        """
        if octaves != 0.0:
            a, b = self._warped(a, share * octaves), self._warped(b, (share - 1.0) * octaves)
        blended: FloatArray = a + (b - a) * np.float32(share)
        return blended

    def _position(self, hz: Axis) -> Axis:
        """Frequencies as positions between mel bands."""
        position: Axis = (hz_to_mel(hz) - self.first_mel) * self.bands_per_mel
        return position

    def _warped(self, columns: FloatArray, octaves: float) -> FloatArray:
        """Columns whose content lies higher by `octaves`; silence comes in from above."""
        position = self._positions_below(octaves)
        silent_from = int(np.searchsorted(position, self.last, side="right"))
        np.clip(position, 0.0, self.last, out=position)
        below = np.minimum(position.astype(np.intp), self.last - 1)
        share = (position - below).astype(np.float32)
        left = columns.take(below, axis=-1, mode="clip")
        warped: FloatArray = columns.take(below + 1, axis=-1, mode="clip")
        warped -= left
        warped *= share
        warped += left
        warped[..., silent_from:] = 0.0
        return warped

    def _positions_below(self, octaves: float) -> Axis:
        """Positions of the frequencies that lie `octaves` below those of the bands: ascending."""
        n_linear = int(np.searchsorted(self.hz, LINEAR_BELOW_HZ * 2.0**octaves))
        position = np.empty_like(self.hz)
        np.multiply(self.linear[:n_linear], 2.0**-octaves, out=position[:n_linear])
        position[:n_linear] -= self.first_mel * self.bands_per_mel
        step = octaves * MELS_PER_OCTAVE * self.bands_per_mel
        np.subtract(self.logarithmic[n_linear:], step, out=position[n_linear:])
        return position

    def _pitches(self, column: FloatArray) -> Axis:
        """How well each frequency of the axis would be the column's pitch, less the mean."""
        left, right = column[self.below], column[self.below + 1]
        levels_db = 20.0 * np.log10(left + (right - left) * self.share + 1e-6)
        above = np.maximum(levels_db - (levels_db.max() - PITCH_RANGE_DB), 0.0)
        mean_db = moving_mean(above, round(SMOOTH_OCTAVES * POINTS_PER_OCTAVE))
        pitches = self.harmonic_sum @ np.maximum(above - mean_db, 0.0)
        pitches = np.maximum(pitches, 0.0) ** SHARPNESS
        centred: Axis = pitches - pitches.mean()
        return centred

    def _correlation(self, a: Axis, b: Axis) -> Axis:
        """Products of a, moved up by -reach..reach points, with b."""
        product = np.conj(fft.rfft(a, self.size)) * fft.rfft(b, self.size)
        circular = fft.irfft(product, self.size)
        return np.concatenate([circular[-self.reach :], circular[: self.reach + 1]])


def _harmonic_sum(n: int) -> SparseMatrix:
    """Matrix (n, n) from levels to harmonic sums on the axis."""
    summed = {float(k): DECAY ** (k - 1) for k in range(1, HARMONICS + 1)}
    between = {
        k + share: -weight * DECAY ** (k - 1)
        for share, weight in BETWEEN.items()
        for k in range(1, N_BETWEEN + 1)
    }
    weights = {
        round(np.log2(multiple) * POINTS_PER_OCTAVE): weight
        for multiple, weight in (summed | between).items()
    }
    rows = np.concatenate([np.arange(n - offset) for offset in weights])
    columns = np.concatenate([np.arange(offset, n) for offset in weights])
    values = np.concatenate([np.full(n - offset, each) for offset, each in weights.items()])
    return SparseMatrix.from_entries(rows, columns, values, (n, n))
