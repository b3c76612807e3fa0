"""Spikes of files as inputs: into time steps, and onto inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from lsnn_neuro.arrays import EVENT_MAX, Events, as_events
from lsnn_neuro.data.samples import NUMBERS
from lsnn_neuro.errors import DataError
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.encoder import Encoder


class EventConfig(Section):
    """How spikes at any time become events in steps."""

    units: int = Field(ge=1, le=1_000_000, description="units of the data, 0 to units - 1")
    bin: float = Field(
        gt=0, description="length of a step, in the unit of the data's times (SHD: seconds)"
    )
    steps: int = Field(ge=1, le=1_000_000, description="steps of a sample")
    longer: Literal["refuse", "cut"] = Field(
        "refuse", description="what becomes of spikes after the last step: refused, or cut off"
    )
    several: Literal["count", "one", "refuse"] = Field(
        "count",
        description="several spikes of an input in one step: a graded event that counts them, one spike, or "
        "refused",
    )
    every_channel: int = Field(1, ge=1, description="only every so many-th unit is looked at")
    merge_channels: int = Field(1, ge=1, description="so many neighbouring units share an input")

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(range(0, len(range(0, self.units, self.every_channel)), self.merge_channels))


class EventEncoder(Encoder):
    """Spikes, counted in steps of ``bin``: a spike at time t belongs to step floor(t / bin).

    See :func:`steps_of` for times that lie where a step begins.
    """

    name = "events"
    raw = "spikes: a pair of arrays for each sample, times and units"
    per_channel = 1
    fitted = False

    def __init__(self, config: EventConfig):
        """Count spikes as the settings say."""
        self.config = config

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return self.config.n_inputs

    def settings(self) -> dict[str, Any]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return {name: getattr(self.config, name) for name in EventConfig.model_fields}

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Mapping[str, Any]) -> EventEncoder:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        try:
            return cls(EventConfig.model_validate(settings))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def encode(self, raw: Sequence[Any]) -> Events:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        return self.place([self.checked(one, f"sample {i}") for i, one in enumerate(raw)])

    def checked(self, raw: Any, at: str) -> npt.NDArray[np.int32]:
        """Step, input and count of the events of a sample, (3, event); DataError names ``at`` and which."""
        times, units = (np.asarray(part) for part in raw)
        if times.shape != units.shape or times.ndim != 1:
            raise DataError(
                f"{at}: {times.size} times and {units.size} units, expected one of each a spike"
            )
        config = self.config
        for what, values in (("times", times), ("units", units)):
            if values.dtype.kind not in NUMBERS:
                raise DataError(f"{at}: its {what} are {values.dtype}, expected real numbers")
        times = _refuse(times, at, "time", ~(times.astype(np.float64) >= 0), "0 or more")
        fits = (units >= 0) & (units < config.units) & (units == np.floor(units))
        units = _refuse(units, at, "unit", ~fits, f"0 to {config.units - 1} of {config.units}")
        step = steps_of(times, config.bin)
        late = step >= config.steps
        if late.any() and config.longer == "refuse":
            i = int(np.argmax(late))
            raise DataError(
                f"{at}: spike {i} at time {times[i]} is in step {step[i]:.0f}, after the last of "
                f'task.steps = {config.steps}; raise it, or cut such spikes off: task.longer = "cut"'
            )
        seen = ~late & (units.astype(np.int64) % config.every_channel == 0)
        channel = units[seen].astype(np.int64) // config.every_channel // config.merge_channels
        counted = np.bincount(step[seen].astype(np.int64) * config.n_inputs + channel)
        places = np.flatnonzero(counted)
        counts = counted[places]
        self._check_counts(places, counts, at)
        steps, channels = np.divmod(places, config.n_inputs)
        return np.array([steps, channels, counts], np.int32)

    def _check_counts(
        self, places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], at: str
    ) -> None:
        """Refuse more spikes in one step than can be counted, or are wanted."""
        most = {"refuse": 1, "count": EVENT_MAX}.get(self.config.several)
        if most is not None and (counts > most).any():
            i = int(np.argmax(counts > most))
            step, channel = divmod(int(places[i]), self.config.n_inputs)
            raise DataError(
                f"{at}: input {channel} has {counts[i]} spikes in step {step}, allowed are {most}; choose a "
                'smaller task.bin, or make them one: task.several = "one"'
            )

    def place(
        self, samples: Sequence[npt.NDArray[np.int32]], rng: np.random.Generator | None = None
    ) -> Events:
        """Inputs of samples that were checked."""
        inputs = np.zeros((self.config.steps, len(samples), self.n_inputs), np.int8)
        for i, (step, channel, count) in enumerate(samples):
            inputs[step, i, channel] = 1 if self.config.several == "one" else count
        return as_events(inputs)


def steps_of(times: npt.NDArray[Any], width: float) -> npt.NDArray[np.float64]:
    """The step of each time, floor(time / width), rounding errors of times and width aside.

    A time that is the beginning of a step in its own type, whether k * width was rounded once or computed in
    that type, belongs to that step: 0.3 is the beginning of step 3 of 0.1, in float32 as in float64, and the
    last float32 before 1 is still in step 9. At most a tenth of a step is given.
    """
    exact = times.astype(np.float64) / width
    found: npt.NDArray[np.float64] = np.floor(
        exact + np.minimum(4 * np.finfo(np.float64).eps * exact, 0.1)
    )
    if times.dtype.kind == "f":
        own = times.dtype.type
        begin = np.minimum(((found + 1) * width).astype(own), (found + 1).astype(own) * own(width))
        found += (times >= begin) & (exact >= found + 0.9)
    return found


def _refuse(
    values: npt.NDArray[Any], at: str, what: str, wrong: npt.NDArray[np.bool_], allowed: str
) -> npt.NDArray[Any]:
    """The values; the first wrong one is named. NaN and infinity are wrong too."""
    wrong = wrong | ~np.isfinite(values.astype(np.float64))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise DataError(
            f"{at}: spike {i} has {what} {values[i]}, allowed are {allowed}; mend or remove it"
        )
    return values
