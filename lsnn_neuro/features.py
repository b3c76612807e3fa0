"""From sound to codes of one byte: short-time features of speech, and their quantiles in the training set.

The features themselves come from kaldi-native-fbank, the code of the Kaldi speech toolkit as a small
library: it needs no torch, and without dither it gives the same numbers every time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

from lsnn_neuro.data.samples import NUMBERS, check_finite
from lsnn_neuro.errors import DataError

Kind = Literal["fbank", "mfcc"]
FRAME_MS = 10
WINDOW_MS = 25
N_CEPSTRA = 13
DERIVATIVE_FRAMES = 5  # the regression runs over two frames on each side
TOP = 255

FloatArray = npt.NDArray[np.float32]


def n_features(kind: Kind, bands: int, derivatives: int) -> int:
    """Features of a frame as :func:`speech_features` gives them."""
    return (bands if kind == "fbank" else N_CEPSTRA) * (1 + derivatives)


def samples_per_frame(rate: int) -> int:
    """Samples from one frame to the next."""
    return rate * FRAME_MS // 1000


def speech_features(
    samples: npt.ArrayLike,
    rate: int,
    *,
    kind: Kind,
    bands: int,
    derivatives: int,
    at: str = "sound",
) -> FloatArray:
    """Features of each frame of 10 ms, shape (frame, feature).

    Frame i describes a window of 25 ms around the middle of samples [i frame, (i + 1) frame); at the
    ends the sound is continued by its mirror image.

    - samples: -1 to 1, shape (sample,), at least one frame long; DataError names ``at`` and the index of
      what is not finite, as a sample or as a feature
    - rate: sampling rate in Hz
    - kind: "fbank", the logarithms of ``bands`` mel-spaced filters, or "mfcc", 13 cepstral
      coefficients of those, the first of which is the energy
    - derivatives: 0, 1 or 2: how many temporal derivatives follow, by linear regression over five
      frames (of that, for the second)
    """
    import kaldi_native_fbank as knf  # here, so that tasks without sound don't need it

    frame = samples_per_frame(rate)
    samples = sound_of(samples, at)
    if len(samples) < frame:
        raise DataError(
            f"{at}: {len(samples)} samples, fewer than a frame ({frame}, {FRAME_MS} ms)"
        )
    options = knf.FbankOptions() if kind == "fbank" else knf.MfccOptions()
    options.frame_opts.samp_freq = rate
    options.frame_opts.frame_shift_ms = FRAME_MS
    options.frame_opts.frame_length_ms = WINDOW_MS
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = bands
    if kind == "mfcc":
        options.num_ceps = N_CEPSTRA
    computer = (knf.OnlineFbank if kind == "fbank" else knf.OnlineMfcc)(options)
    computer.accept_waveform(rate, samples.tolist())
    computer.input_finished()
    n_frames = len(samples) // frame  # what is left over at the end is less than a frame
    parts = [np.stack([computer.get_frame(i) for i in range(n_frames)])]  # (frame, feature)
    for _ in range(derivatives):
        parts.append(
            savgol_filter(parts[-1], DERIVATIVE_FRAMES, 1, deriv=1, axis=0, mode="nearest")
        )
    features: FloatArray = np.concatenate(parts, axis=1).astype(np.float32)
    check_finite(features, f"{at}: features")  # of samples that are far too loud
    return features


def sound_of(samples: npt.ArrayLike, at: str) -> FloatArray:
    """Samples of a sound, (sample,), float32; DataError names ``at`` and the index of what is not finite."""
    sound = np.asarray(samples)
    if sound.ndim != 1 or sound.dtype.kind not in NUMBERS:
        raise DataError(f"{at}: {sound.dtype} of shape {sound.shape}, expected numbers, (sample,)")
    check_finite(sound, f"{at}: samples")
    with np.errstate(over="ignore"):  # what is too large for float32 is noticed in its features
        return sound.astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantileScale:
    """Codes features by their quantile in the training set, in one byte: histogram equalization.

    A code c says that about c / 255 of the training frames have a smaller value there. That needs no
    assumption about how a feature is distributed, and evenly spaced levels of the code divide the
    training frames evenly.

    - edges: shape (feature, 255), rising; edge k is the quantile (k + 1/2) / 255
    """

    edges: FloatArray

    @classmethod
    def of(cls, features: FloatArray) -> QuantileScale:
        """The scale of some training frames, shape (frame, feature), all finite."""
        check_finite(features, "training frames")  # one NaN would be in every edge
        shares = (np.arange(TOP) + 0.5) / TOP
        return cls(edges=np.quantile(features, shares, axis=0).T.astype(np.float32))

    def codes(self, features: FloatArray) -> npt.NDArray[np.uint8]:
        """How many edges lie below each value, shape (frame, feature) as the features."""
        ranks = [
            np.searchsorted(edges, column)
            for edges, column in zip(self.edges, features.T, strict=True)
        ]
        result: npt.NDArray[np.uint8] = np.stack(ranks, axis=1).astype(np.uint8)
        return result
