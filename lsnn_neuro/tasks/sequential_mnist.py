"""Sequential MNIST: an image shown pixel by pixel (or row by row), then a cue to name its class.

With a ``permutation`` it is permuted sequential MNIST: every image's pixels in one and the same
shuffled order (Le, Jaitly, Hinton 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.ndimage import affine_transform

from lsnn_neuro.data.mnist import N_CLASSES, SIDE, LabelledImages, load_images
from lsnn_neuro.encoders import cue, levels_reached, threshold_crossing
from lsnn_neuro.errors import DataError
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.encoder import Arrays, Encoder
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.tasks.task import (
    Batch,
    Split,
    SupervisedTask,
    check_batch_size,
    check_split,
    sample_ranges,
)


class SequentialMNISTConfig(Section):
    """Settings of sequential MNIST; the defaults are the paper's, 1 ms per pixel.

    With 2 ms per pixel the paper also doubles cue_steps and decision_steps, to 112 and 56.
    """

    name: Literal["sequential-mnist"] = "sequential-mnist"
    data: str = Field(
        "mnist-5k",
        min_length=1,
        description="mnist-5k, mnist, or a folder with the four IDX files of MNIST or a relative",
    )
    validation: int | None = Field(
        None, ge=1, description="training images held out; by default an eighth, at most 5000"
    )
    translation: int = Field(
        0,
        ge=0,
        le=4,
        description="augmentation: training images are moved by up to this many pixels",
    )
    rotation: float = Field(
        0.0, ge=0, le=90, description="augmentation: they are rotated by up to this many degrees"
    )
    scaling: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="augmentation: they are scaled along both axes by up to this share",
    )
    layout: Literal["pixels", "rows"] = Field(
        "pixels", description="one pixel at a time, or one row: all columns side by side"
    )
    downsample: Literal[1, 2, 4] = Field(
        1, description="side of the squares of pixels that are averaged into one"
    )
    permutation: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="seed of a fixed order in which the pixels are shown; by default as they are read",
    )
    ms_per_pixel: int = Field(
        1, ge=1, le=100, description="steps of 1 ms for which each pixel (or row) is held"
    )
    coding: Literal["crossing", "level"] = Field(
        "crossing",
        description="crossing: spikes when a grey level is crossed (the paper); "
        "level: a channel fires while the value is at or above its level (for few levels)",
    )
    thresholds: int = Field(
        40, ge=1, le=128, description="number of grey levels; crossing takes 3 or more"
    )
    cue_steps: int = Field(
        56, ge=0, le=10_000, description="steps after the image in which the cue input fires"
    )
    decision_steps: int = Field(
        28, ge=1, le=10_000, description="steps at the end over which the readout is summed"
    )

    @model_validator(mode="after")
    def _check(self) -> SequentialMNISTConfig:
        if self.coding == "crossing" and self.thresholds < 3:
            raise ValueError(
                f"thresholds is {self.thresholds}: the crossing code uses black and white as its "
                "outermost levels and needs 3 or more; for fewer take coding = 'level'"
            )
        if self.permutation is not None and self.layout != "pixels":
            raise ValueError(
                f"permutation is {self.permutation} and layout is {self.layout!r}: only pixels shown "
                "one at a time can be permuted; take layout = 'pixels'"
            )
        if self.decision_steps > self.n_steps:
            raise ValueError(
                f"decision_steps is {self.decision_steps}, but there are only {self.n_steps} steps"
            )
        return self

    @property
    def side(self) -> int:
        """Pixels along a side of the image as it is shown."""
        return SIDE // self.downsample

    @property
    def image_steps(self) -> int:
        """Steps in which the image is shown."""
        return self.ms_per_pixel * (self.side**2 if self.layout == "pixels" else self.side)

    @property
    def n_steps(self) -> int:
        """Steps of a sample: image, then cue."""
        return self.image_steps + self.cue_steps

    @property
    def n_inputs(self) -> int:
        """Channels of the code for each signal, and the cue."""
        channels = self.thresholds if self.coding == "level" else 2 * self.thresholds - 1
        return channels * (1 if self.layout == "pixels" else self.side) + 1


class ImageEncoder(Encoder):
    """An image as spikes: pixel by pixel, or row by row, and at last the cue.

    The image's grey levels are one signal (layout "pixels", rows from top to bottom) or one signal
    per column ("rows"), coded by :func:`lsnn_neuro.encoders.threshold_crossing` or
    :func:`lsnn_neuro.encoders.levels_reached`. Inputs are ordered by column, then by channel; the
    last input is the cue.
    """

    name = "image-sequence"
    raw = f"images, uint8, shape (sample, {SIDE}, {SIDE})"
    fitted = False
    _FIELDS = (
        "layout", "downsample", "permutation", "ms_per_pixel", "coding", "thresholds", "cue_steps",
        "decision_steps",
    )  # fmt: skip

    def __init__(self, config: SequentialMNISTConfig):
        """Code images as a section says."""
        self.config = config
        self._order: npt.NDArray[np.intp] | None = None
        if config.permutation is not None:
            self._order = pixel_order(config.permutation, config.side**2)

    def settings(self) -> dict[str, Any]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return self.config.model_dump(mode="json", include=set(self._FIELDS))

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Arrays) -> ImageEncoder:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return cls(SequentialMNISTConfig(**settings))

    def encode(self, images: Any) -> npt.NDArray[np.bool_]:
        """Input spikes of some images.

        - images: uint8, shape (sample, 28, 28)
        - returns: shape (time, sample, input)
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            raise DataError(
                f"images are {images.dtype} of shape {images.shape}, "
                f"expected uint8 of shape (sample, {SIDE}, {SIDE})"
            )
        config, n = self.config, len(images)
        signals = average_pool(images, config.downsample).transpose(1, 2, 0)  # (row, column, image)
        if config.layout == "pixels":
            signals = signals.reshape(-1, n, 1)  # (pixel, image, 1)
            if self._order is not None:
                signals = signals[self._order]
        else:
            signals = signals.transpose(0, 2, 1)  # (row, image, column)
        signals = signals.repeat(config.ms_per_pixel, axis=0)  # (time, image, signal)
        encoder = threshold_crossing if config.coding == "crossing" else levels_reached
        spikes = encoder(signals, config.thresholds)  # (time, image, signal, channel)
        inputs = np.zeros((config.n_steps, n, config.n_inputs), np.bool_)
        inputs[: config.image_steps, :, :-1] = spikes.reshape(config.image_steps, n, -1)
        inputs[:, :, -1] = cue(config.n_steps, config.image_steps, config.n_steps)[:, None]
        return inputs


class SequentialMNIST(SupervisedTask):
    """The task as Bellec et al. 2018 set it up, with a few variations; inputs are :class:`ImageEncoder`'s.

    Training samples are drawn with replacement.
    """

    encoder: ImageEncoder
    Config = SequentialMNISTConfig

    name = "sequential-mnist"
    class_names = tuple(map(str, range(N_CLASSES)))

    def __init__(self, config: SequentialMNISTConfig) -> None:
        """Load the images the configuration names."""
        self.config = config
        self.n_inputs = config.n_inputs
        self.n_outputs = N_CLASSES
        self.n_steps = config.n_steps
        self.encoder = ImageEncoder(config)
        splits = load_images(config.data, config.validation)
        self._train = splits.train
        self._splits = {"validation": splits.validation, "test": splits.test}

    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` training images drawn at random, with replacement."""
        check_batch_size(batch_size)
        drawn = self._train.take(rng.integers(len(self._train), size=batch_size))
        images, config = drawn.images, self.config
        if config.rotation or config.scaling:
            images = distorted(images, config.rotation, config.scaling, rng)
        if config.translation:
            images = translated(images, config.translation, rng)
        return self._batch(LabelledImages(images=images, labels=drawn.labels))

    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` images of a split (None: all), ``batch_size`` at a time."""
        images = self._split(split)
        for samples in sample_ranges(len(images), batch_size, max_samples):
            yield self._batch(images.take(np.arange(samples.start, samples.stop)))

    def n_samples(self, split: Split) -> int:
        """Number of images in a split."""
        return len(self._split(split))

    def encode(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Input spikes of some images; see :meth:`ImageEncoder.encode`."""
        return self.encoder.encode(images)

    def _split(self, split: Split) -> LabelledImages:
        check_split(split)
        return self._splits[split]

    def _batch(self, images: LabelledImages) -> Batch:
        labels = ClassLabels.at_the_end(
            images.labels, n_steps=self.n_steps, decision_steps=self.config.decision_steps
        )
        return Batch(inputs=self.encode(images.images), labels=labels)


def translated(
    images: npt.NDArray[np.uint8], most: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Each image moved at random by up to ``most`` pixels along both axes, black moving in.

    ``images`` and the result have shape (sample, side, side).
    """
    side = images.shape[1]
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    down, right = rng.integers(0, 2 * most + 1, size=(2, len(images), 1, 1))
    grid = np.arange(side)
    sample = np.arange(len(images))[:, None, None]
    result: npt.NDArray[np.uint8] = padded[sample, down + grid[:, None], right + grid]
    return result


def pixel_order(seed: int, n: int) -> npt.NDArray[np.intp]:
    """The order in which permuted sequential MNIST shows n pixels: the ranks of n raw random numbers.

    A generator's raw numbers are the same in every release of NumPy; its shuffling need not be.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")


def average_pool(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Averages of size x size squares, rounded down.

    Rounding down loses nothing: the average reaches a whole grey level when its floor does.

    - images: uint8, shape (image, row, column), rows and columns multiples of size
    """
    n, rows, columns = images.shape
    squares = images.reshape(n, rows // size, size, columns // size, size)
    totals: npt.NDArray[np.uint16] = squares.sum(axis=(2, 4), dtype=np.uint16)
    return (totals // size**2).astype(np.uint8)


def distorted(
    images: npt.NDArray[np.uint8], rotation: float, scaling: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Each image rotated at random and then scaled along rows and columns, about its centre.

    - images: shape (sample, side, side), like the result
    - rotation: the largest angle, in degrees; scaling: the largest change, as a share of the size
    """
    angles = np.deg2rad(rng.uniform(-rotation, rotation, len(images)))
    scales = 1 + rng.uniform(-scaling, scaling, (len(images), 2))
    centre = np.full(2, (images.shape[1] - 1) / 2)
    result = np.empty(images.shape, np.float32)
    for image, angle, scale, out in zip(images, angles, scales, result, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        back = turn / scale  # from a pixel of the result to where it was
        affine_transform(image, back, centre - back @ centre, output=out, order=1)
    return np.rint(result).astype(np.uint8)
