"""Folders of WAV files: where the sounds are, what each is labelled, and their short-time features."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lsnn_neuro.bounded import in_a_line, is_file, read_text
from lsnn_neuro.data.samples import Samples, files_read
from lsnn_neuro.data.speech import FloatArray, open_sound, read_samples
from lsnn_neuro.errors import DataError
from lsnn_neuro.features import (
    FRAME_MS,
    Kind,
    n_features,
    samples_per_frame,
    sound_of,
    speech_features,
)
from lsnn_neuro.section import Section

WIDTH = "PCM_16"


class SoundConfig(Section):
    """How a sound becomes a signal: features of its frames of 10 ms, or its samples as they are."""

    rate: int = Field(16_000, ge=1000, le=384_000, description="sampling rate of all sounds, Hz")
    features: Kind | Literal["samples"] = Field(
        "fbank",
        description="fbank: log filter banks; mfcc: 13 cepstral coefficients, both of frames of 10 ms; "
        "samples: the sound itself",
    )
    bands: int = Field(26, ge=13, le=80, description="mel-spaced filters")
    derivatives: int = Field(
        0, ge=0, le=2, description="temporal derivatives of the features that are shown beside them"
    )

    @property
    def n_channels(self) -> int:
        """Channels of the signal."""
        if self.features == "samples":
            return 1
        return n_features(self.features, self.bands, self.derivatives)

    @property
    def shortest(self) -> int:
        """Samples of the shortest sound that has a signal."""
        return 1 if self.features == "samples" else samples_per_frame(self.rate)

    def length(self, n_samples: int) -> int:
        """Values in time of a sound of so many samples."""
        return n_samples // self.shortest

    def features_of(self, samples: npt.ArrayLike, at: str) -> FloatArray:
        """The signal of a sound, (time, channel); DataError names the place ``at`` and the index.

        - samples: -1 to 1, shape (sample,)
        """
        if self.features == "samples":
            return sound_of(samples, at)[:, None]
        return speech_features(
            samples,
            self.rate,
            kind=self.features,
            bands=self.bands,
            derivatives=self.derivatives,
            at=at,
        )


class SoundSamples(Samples):
    """The sounds of a folder; their headers are read at once, the sounds when they are asked for."""

    def __init__(
        self, name: str, files: Sequence[Path], labels: Sequence[str], config: SoundConfig,
        groups: Sequence[str] | None = None,
    ):  # fmt: skip
        """Check the header of every file."""
        self.name, self.files, self.config = name, tuple(files), config
        self.origins = files_read(files)
        self.labels = np.array(labels, dtype=np.str_)
        self.class_names = tuple(sorted({label for label in labels if label}))
        self.groups = None if groups is None else tuple(groups)
        self.n_channels = config.n_channels
        self.longest = max(config.length(_checked(file, config)) for file in files)

    def at(self, index: int) -> str:
        """See :class:`Samples`."""
        return f"{self.files[index]} (sample {index})"

    def read(self, index: int) -> FloatArray:
        """The features of a sound, (time, channel)."""
        sound = read_samples(self.files[index], self.config.rate)
        return self.config.features_of(sound, self.at(index))


def open_sounds(
    folder: Path, config: SoundConfig, labels: str | int | None, groups: str | int | None
) -> SoundSamples:
    """The WAV files in a folder and below, in the order of their names.

    - labels: None: the name of the folder that a file is in; a number: that part of the file's name between
      underscores, from 0; else a CSV file in the folder with a header line and columns file and label
    - groups: None: unknown; a number: a part of the file's name; a name: that column of the CSV file
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name it by task.data, or --data")
    if isinstance(labels, str):
        return _of_csv(folder, folder / labels, config, groups)
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() == ".wav" and f.is_file())
    if not files:
        raise DataError(f"{folder}: no .wav files in it or below; name the folder that holds them")
    if isinstance(groups, str):
        raise DataError(
            f"{folder}: task.groups = {groups!r} names a column, but no CSV file is given; say "
            "task.labels, or give the number of a part of the files' names"
        )
    found = [file.parent.name if labels is None else _part(file, labels) for file in files]
    if labels is None and (loose := [f for f in files if f.parent == folder]):
        raise DataError(
            f"{loose[0]}: has no label: it lies in no folder of {folder}; put it into one that has its "
            "class as name, or say task.labels"
        )
    return SoundSamples(
        str(folder), files, found, config,
        groups=None if groups is None else [_part(file, groups) for file in files],
    )  # fmt: skip


def _of_csv(
    folder: Path, table: Path, config: SoundConfig, groups: str | int | None
) -> SoundSamples:
    """Sounds by the rows of a table; every row must name a file, every sound must have a row."""
    text = read_text(table, f"{table}: can't be read; task.labels must name it", DataError)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows, columns = list(reader), list(reader.fieldnames or ())
    except csv.Error as error:
        raise DataError(
            f"{table}: can't be read ({in_a_line(error)}); task.labels must name it"
        ) from error
    for column in ("file", "label", *([groups] if isinstance(groups, str) else [])):
        if column not in columns:
            raise DataError(
                f"{table}: has no column {column!r}, only {', '.join(columns) or 'none'}"
            )
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise DataError(f"{table}: has two columns {twice[0]!r}; remove or rename one")
    if not rows:
        raise DataError(f"{table}: has no rows; a row says file and label")
    files = []
    for number, row in enumerate(rows, 2):
        _check_row(row, f"{table}, line {number}")
        name = row["file"] or ""
        inside = Path(name)
        if inside.is_absolute() or ".." in inside.parts or not is_file(folder / inside):
            raise DataError(f"{table}, line {number}: no file {name!r} in {folder}; mend the row")
        files.append(folder / inside)
    listed = set(files)
    if len(files) > len(listed):
        again = next(file for i, file in enumerate(files) if file in files[:i])
        raise DataError(f"{table}: {again} stands in two rows; remove one")
    for sound in sorted(folder.rglob("*")):
        if sound.suffix.lower() == ".wav" and sound not in listed:
            raise DataError(f"{sound}: has no label, since it has no row in {table}; add one")
    return SoundSamples(
        str(table), files, [row["label"] or "" for row in rows], config,
        groups=_groups_of(rows, files, groups),
    )  # fmt: skip


def _check_row(row: Mapping[Any, Any], where: str) -> None:
    """Refuse more cells than columns, and blanks around one, which would make another class or group."""
    if row.get(None):
        raise DataError(
            f"{where}: has more cells than there are columns; put a text with a comma into quotes"
        )
    for column, cell in row.items():
        if cell and cell != cell.strip():
            raise DataError(f"{where}: {column} is {cell!r}, with blanks around it; remove them")


def _groups_of(
    rows: Sequence[dict[str, Any]], files: Sequence[Path], groups: str | int | None
) -> list[str] | None:
    if groups is None:
        return None
    if isinstance(groups, int):
        return [_part(file, groups) for file in files]
    return [row[groups] or "" for row in rows]


def _part(file: Path, number: int) -> str:
    """A part of a file's name between underscores."""
    parts = file.stem.split("_")
    if number >= len(parts):
        raise DataError(
            f"{file}: its name has {len(parts)} parts between underscores, but part {number} is asked "
            "for; rename it, or see task.labels and task.groups"
        )
    return parts[number]


def _checked(file: Path, config: SoundConfig) -> int:
    """The number of samples of a mono WAV file of 16 bits and the rate; what is none is refused by name."""
    if file.stat().st_size == 0:
        raise DataError(f"{file}: is empty (0 bytes); remove it")
    with open_sound(file) as found:
        return _length(found, file, config)


def _length(found: Any, file: Path, config: SoundConfig) -> int:
    """The number of samples of an open sound; DataError over one that is none of these."""
    if found.channels != 1:
        raise DataError(f"{file}: {found.channels} channels, expected 1; mix them down")
    if found.subtype != WIDTH:
        raise DataError(
            f"{file}: its samples are {found.subtype}, expected {WIDTH} (16 bit); convert it"
        )
    if found.samplerate != config.rate:
        raise DataError(
            f"{file}: sampling rate is {found.samplerate} Hz, but task.sound.rate is {config.rate}; "
            "resample it, or set that"
        )
    if found.frames < config.shortest:
        raise DataError(
            f"{file}: {found.frames} samples, fewer than a frame ({config.shortest}, {FRAME_MS} ms); "
            "remove it"
        )
    return int(found.frames)
