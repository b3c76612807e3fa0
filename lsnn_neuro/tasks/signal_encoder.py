"""Signals as inputs: what all codings share. The codings themselves: :mod:`lsnn_neuro.tasks.codings`.

A recipe names a coding (``[task.encoder]``), which is fitted to the training samples where it has to be. It
is an :class:`lsnn_neuro.tasks.encoder.Encoder`, so an artifact keeps it with its constants.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from lsnn_neuro.arrays import Events, as_events
from lsnn_neuro.data.samples import NUMBERS
from lsnn_neuro.data.sounds import SoundConfig
from lsnn_neuro.errors import DataError
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.encoder import Arrays, Encoder, EncoderConstants

Signal = npt.NDArray[Any]
"""Numbers, shape (time, channel)."""
LARGEST = 2.0**126
"""Size of a value, at most: differences of two are finite in float32."""


class CodingConfig(Section):
    """Settings that all codings share."""

    name: str
    value_steps: int = Field(1, ge=1, le=1000, description="steps for which a value lasts")


class Frame(Section):
    """Where the values of a sample stand in time, and which of its channels are looked at.

    - n_channels: of the data; sound: how a sound becomes such channels, where the data are sounds
    """

    n_channels: int = Field(ge=1, le=1_000_000)
    steps: int = Field(ge=1, le=1_000_000)
    longer: Literal["refuse", "cut"] = "refuse"
    align: Literal["start", "end"] = "start"
    every_channel: int = Field(1, ge=1)
    sound: SoundConfig | None = None

    @property
    def n_seen(self) -> int:
        """Channels that are looked at: every ``every_channel``-th, the first included."""
        return -(-self.n_channels // self.every_channel)

    def seen(self, signal: Signal, at: str) -> Signal:
        """The channels of a signal that are looked at; DataError names ``at`` and the index of no number."""
        if signal.dtype.kind not in NUMBERS:
            raise DataError(f"{at}: is {signal.dtype}, expected real numbers")
        if signal.ndim != 2 or signal.shape[1] != self.n_channels or not len(signal):
            raise DataError(
                f"{at}: has shape {signal.shape}, expected (time, {self.n_channels}); mend or remove it"
            )
        seen = signal[:, :: self.every_channel]
        wrong = ~(np.abs(seen) <= LARGEST)
        if wrong.any():
            t, c = np.argwhere(wrong)[0]
            raise DataError(
                f"{at}: value [{t}, {c * self.every_channel}] is {seen[t, c]}, expected a finite number, "
                f"up to {LARGEST:.1g} either way"
            )
        return seen


class SignalEncoder(Encoder):
    """Signals as inputs, a value at a time. Inputs are ordered by channel.

    - Config: what a recipe says under [task.encoder]
    - per_channel: inputs for each channel
    - constants: what was fitted to the training samples, by name
    """

    Config: ClassVar[type[CodingConfig]]

    def __init__(self, config: CodingConfig, frame: Frame, constants: Arrays):
        """Code signals by settings and constants; ValueError over constants that are none."""
        self.config, self.frame, self.constants = config, frame, dict(constants)
        self.check_constants()

    @classmethod
    def fit(cls, config: Any, frame: Frame, signals: Collection[Signal]) -> SignalEncoder:
        """The encoder for such training signals, (time, channel seen) each; those are read only if needed."""
        return cls(config, frame, {})

    @property
    def raw(self) -> str:  # type: ignore[override]  # it depends on the data
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        if self.frame.sound is not None:
            return f"sounds: samples from -1 to 1 at {self.frame.sound.rate} Hz, shape (sample,)"
        return f"signals: numbers, shape (time, {self.frame.n_channels})"

    @property
    @abstractmethod
    def per_channel(self) -> int:
        """Inputs for each channel."""

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return self.frame.n_seen * self.per_channel

    def check_constants(self) -> None:
        """Raise ValueError over constants that don't go with the settings; there are none."""

    def check_values(self, signal: Signal, at: str) -> None:
        """Refuse values that can't be coded, naming the place ``at``; all can.

        They are just those that :meth:`code` gets: of float32, (time, channel seen).
        """

    @abstractmethod
    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """Inputs of some samples.

        - values: shape (time, sample, channel); rng: for training, None for what must always be the same
        - returns: shape (time * value_steps, sample, channel, per_channel)
        """

    def settings(self) -> dict[str, Any]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return {
            "coding": self.config.model_dump(mode="json", exclude_none=True),
            "frame": self.frame.model_dump(mode="json", exclude_none=True),
        }

    def arrays(self) -> Arrays:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return self.constants

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Arrays) -> SignalEncoder:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        try:
            coding = cls.Config.model_validate(settings["coding"])
            return cls(coding, Frame.model_validate(settings["frame"]), arrays)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def refitted(self, constants: EncoderConstants, *, steps: int | None) -> SignalEncoder:
        """The encoder with what another learnt from its training samples; itself where that codes otherwise.

        - steps: of a sample, where a recipe says them
        """
        trained = constants.build(type(self))
        assert isinstance(trained, SignalEncoder)
        if trained.config != self.config:
            return self
        learnt = {"n_channels": trained.frame.n_channels, "steps": steps or trained.frame.steps}
        frame = self.frame.model_copy(update=learnt)
        return type(self)(self.config, frame, trained.constants)

    def encode(self, raw: Sequence[Any]) -> Events:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        sound, signals = self.frame.sound, []
        for i, one in enumerate(raw):
            at = f"sample {i}"
            signal = np.asarray(one) if sound is None else sound.features_of(one, at)
            signals.append(self.checked(signal, at))
        return self.place(signals)

    def checked(self, signal: Signal, at: str) -> npt.NDArray[np.float32]:
        """A signal that can be coded, (time, channel seen); DataError names ``at`` and the index."""
        frame = self.frame
        seen = frame.seen(signal, at)
        most = frame.steps // self.config.value_steps
        if len(seen) > most:
            if frame.longer == "refuse":
                raise DataError(
                    f"{at}: {len(seen)} values in time, but task.steps = {frame.steps} has room for {most}; "
                    'raise it, or cut what is too long: task.longer = "cut"'
                )
            seen = seen[:most]
        values = seen.astype(np.float32)
        self.check_values(values, at)
        return values

    def place(
        self, signals: Sequence[npt.NDArray[np.float32]], rng: np.random.Generator | None = None
    ) -> Events:
        """Inputs of signals that were checked; with ``rng`` for training."""
        frame, held = self.frame, self.config.value_steps
        longest = max(map(len, signals))
        values = np.stack(  # the last value goes on, so that nothing changes after it
            [np.pad(s, ((0, longest - len(s)), (0, 0)), mode="edge") for s in signals], axis=1
        )  # (time, sample, channel)
        coded = self.code(values, rng)
        inputs = np.zeros((frame.steps, len(signals), *coded.shape[2:]), coded.dtype)
        for i, signal in enumerate(signals):
            n = len(signal) * held
            start = 0 if frame.align == "start" else frame.steps - n
            inputs[start : start + n, i] = coded[:n, i]
        return as_events(inputs.reshape(frame.steps, len(signals), -1))
