"""Arrays: any signals with labels, of NPZ and MATLAB files, folders of WAV files, or a data set in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator

from lsnn_neuro.data.arrays import open_arrays
from lsnn_neuro.data.samples import PairSamples, Samples, signal_of
from lsnn_neuro.data.sounds import SoundConfig, open_sounds
from lsnn_neuro.data.splits import Part
from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.registry import ENCODERS
from lsnn_neuro.tasks.dataset import DatasetTask
from lsnn_neuro.tasks.dataset_config import DatasetConfig
from lsnn_neuro.tasks.encoder import EncoderConstants
from lsnn_neuro.tasks.signal_encoder import CodingConfig, Frame, Signal, SignalEncoder


class ArraysConfig(DatasetConfig):
    """Signals of a file or a folder, and how they are coded."""

    name: Literal["arrays"] = "arrays"
    inputs: str = Field("inputs", description="name of the array (sample, time, channel)")
    labels: str | int | None = Field(
        None,
        description="name of the array of labels, by default labels; of sounds the CSV file, or the part of "
        "a file's name, by default its folder",
    )
    groups: str | int | None = Field(
        None,
        description="name of the array, or the CSV column, of what samples belong to (a speaker); of sounds "
        "also the part of a file's name",
    )
    sound: SoundConfig | None = Field(
        None, description="for a folder of WAV files: what is made of a sound"
    )
    encoder: SerializeAsAny[CodingConfig] = Field(
        description="the coding, by its name: graded, level, delta, poisson, latency"
    )
    steps: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="steps of a sample; by default those of the longest to train on",
    )
    longer: Literal["refuse", "cut"] = Field(
        "refuse", description="what becomes of samples of more steps: refused, or cut off"
    )
    align: Literal["start", "end"] = Field(
        "start", description="shorter samples begin in the first step, or end in the last"
    )
    every_channel: int = Field(1, ge=1, description="only every so many-th channel is looked at")

    @field_validator("encoder", mode="before")
    @classmethod
    def _of_name(cls, value: Any) -> Any:
        return coding_of(value) if isinstance(value, Mapping) else value


def coding_of(fields: Mapping[str, Any]) -> CodingConfig:
    """The settings of a coding, by its name; ValueError over what is none."""
    name = str(fields.get("name"))
    if name not in ENCODERS or not _is_coding(ENCODERS[name]):
        codings = [known for known in ENCODERS if _is_coding(ENCODERS[known])]
        raise ValueError(f"encoder {name!r}: there are {', '.join(codings)}")
    try:
        found: CodingConfig = ENCODERS[name].Config.model_validate(fields)
    except ValidationError as error:
        said = (
            f"{'.'.join([name, *map(str, e['loc'])])}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise ValueError("; ".join(said)) from None
    return found


def _is_coding(kind: Any) -> bool:
    """Whether an encoder codes signals, so that a recipe may name it."""
    return isinstance(kind, type) and issubclass(kind, SignalEncoder)


class Arrays(DatasetTask):
    """Signals with labels; see :class:`lsnn_neuro.tasks.dataset.DatasetTask`."""

    name = "arrays"
    Config = ArraysConfig
    config: ArraysConfig

    def open(self, name: str | None) -> Samples:
        """See :class:`DatasetTask`."""
        config = self.config
        place = Path(config.data).expanduser()
        place = place if name is None else place / name
        if config.sound is not None:
            return open_sounds(place, config.sound, config.labels, config.groups)
        if place.is_dir():
            raise DataError(
                f"{place}: is a folder; name a file in it by task.train, or say [task.sound] for its .wav "
                "files"
            )
        if isinstance(config.labels, int) or isinstance(config.groups, int):
            raise DataError(
                f"{place}: task.labels and task.groups are names of arrays; only sounds have parts of names"
            )
        return open_arrays(place, config.inputs, config.labels or "labels", config.groups)

    def in_memory(self, data: Any, name: str) -> Samples:
        """See :class:`DatasetTask`."""
        sound = self.config.sound
        if sound is None:
            return PairSamples(data, f"data set {name!r}", signal_of)
        return PairSamples(data, f"data set {name!r}", sound.features_of)

    def fit(self, base: Samples, train: Part) -> SignalEncoder:
        """See :class:`DatasetTask`."""
        config = self.config
        held = config.encoder.value_steps
        frame = Frame(
            n_channels=base.n_channels, steps=config.steps or (base.longest or 1) * held,
            longer=config.longer,
            align=config.align, every_channel=config.every_channel, sound=config.sound,
        )  # fmt: skip
        if frame.steps < held:
            raise RecipeError(f"task.steps is {frame.steps}, fewer than a value's {held} steps")
        self.data_steps, self.value_steps = frame.steps, held
        encoder: SignalEncoder = ENCODERS[config.encoder.name].fit(
            config.encoder, frame, Signals(train, frame)
        )
        return encoder

    def recoded(self, encoder: EncoderConstants) -> Arrays:
        """See :class:`lsnn_neuro.tasks.task.Task`; the data must have the channels of training."""
        trained = self.encoder.refitted(encoder, steps=self.config.steps)
        return self if trained is self.encoder else self._coded_by(trained, trained.frame.steps)

    def first_step(self, n_values: int) -> int:
        """See :class:`DatasetTask`."""
        return 0 if self.config.align == "start" else self.data_steps - n_values * self.value_steps


class Signals:
    """The signals of a part, read one after the other: what an encoder is fitted to."""

    def __init__(self, part: Part, frame: Frame):
        """Look at the channels that the frame says."""
        self._part, self._frame = part, frame

    def __len__(self) -> int:
        return len(self._part)

    def __iter__(self) -> Iterator[Signal]:
        for index in self._part.index:
            samples = self._part.samples
            yield self._frame.seen(samples.read(int(index)), samples.at(int(index)))
