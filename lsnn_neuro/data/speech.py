"""Speech: where the recordings of a folder are, what is spoken in them, and which split they are in.

Two layouts:

- :func:`find_phones`: TIMIT's. ``TRAIN`` and ``TEST``, below them folders of any depth; each
  recording a ``.WAV`` (RIFF or NIST SPHERE) with a ``.PHN`` of the same name beside it, a line
  "first sample, sample after the last, phone" for each phone. Names of files and folders may be in upper or
  lower case.
- :func:`find_digits`: the Free Spoken Digit Dataset's, ``recordings/{digit}_{speaker}_{index}.wav``.

Nothing is downloaded: TIMIT is licensed, and users name the folder of their own copy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from lsnn_neuro.bounded import in_a_line, read_text
from lsnn_neuro.data.samples import check_finite
from lsnn_neuro.data.timit import CORE_TEST_SPEAKERS
from lsnn_neuro.errors import DataError

FORMATS = ("WAV", "WAVEX", "RF64", "NIST")
"""Of sounds, as libsndfile calls them."""
DIGITS_RATE = 8000  # Hz
DIGITS_TEST = 5  # indices 0 to 4 are the test split
_DIGITS_NAME = re.compile(r"([0-9])_([^_]+)_([0-9]+)")

FloatArray = npt.NDArray[np.float32]
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A phone in samples [start, stop) of a recording."""

    start: int
    stop: int
    phone: str


@dataclass(frozen=True, kw_only=True)
class LabelledSpeech:
    """A recording and its phones, in order."""

    file: Path
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class SpokenDigit:
    """A recording of one digit."""

    file: Path
    digit: int


@dataclass(frozen=True, kw_only=True)
class SpeechSplits(Generic[R]):
    """Three disjoint parts of a folder's recordings, always the same, in the order of their names."""

    train: tuple[R, ...]
    validation: tuple[R, ...]
    test: tuple[R, ...]


def find_phones(folder: Path, validation: int | None = None) -> SpeechSplits[LabelledSpeech]:
    """The labelled recordings in a folder laid out like TIMIT.

    The two sentences that all speakers read (SA1, SA2) are left out. If all speakers of TIMIT's core
    test set are in TEST, they alone are the test split, else everyone there is.

    - validation: how many recordings of TRAIN to hold out; by default an eighth. They are those
      whose names have the smallest SHA-256
    """
    train, test = (_recordings(folder, part) for part in ("TRAIN", "TEST"))
    if {file.parent.name.upper() for file in test} >= CORE_TEST_SPEAKERS:
        test = [file for file in test if file.parent.name.upper() in CORE_TEST_SPEAKERS]
    kept, held_out = _hold_out(train, folder, validation)
    return SpeechSplits(train=_labelled(kept), validation=_labelled(held_out), test=_labelled(test))


def find_digits(folder: Path, validation: int | None = None) -> SpeechSplits[SpokenDigit]:
    """The recordings of the Free Spoken Digit Dataset; indices 0 to 4 are the test split.

    - validation: how many of the others to hold out; by default an eighth. They are those whose
      names have the smallest SHA-256
    """
    recordings = folder / "recordings"
    if not recordings.is_dir():
        raise DataError(
            f"{folder}: no folder 'recordings' in it; task.data, or --data, must name a copy of the "
            "Free Spoken Digit Dataset"
        )
    digits: dict[Path, int] = {}
    test: list[Path] = []
    rest: list[Path] = []
    for file in sorted(recordings.glob("*.wav")):
        match = _DIGITS_NAME.fullmatch(file.stem)
        if match is None:
            raise DataError(
                f"{file}: must be named DIGIT_SPEAKER_INDEX.wav, e.g. 7_jackson_12.wav; rename or "
                "remove it"
            )
        digits[file] = int(match[1])
        (test if int(match[3]) < DIGITS_TEST else rest).append(file)
    if not test or not rest:
        raise DataError(
            f"{recordings}: {len(test)} test recordings (indices 0 to {DIGITS_TEST - 1}) and "
            f"{len(rest)} others; both kinds are needed, copy the whole data set"
        )
    kept, held_out = _hold_out(rest, folder, validation)
    train, valid, tested = (
        tuple(SpokenDigit(file=file, digit=digits[file]) for file in part)
        for part in (kept, held_out, test)
    )
    return SpeechSplits(train=train, validation=valid, test=tested)


@contextmanager
def open_sound(file: Path) -> Iterator[Any]:
    """A recording, as libsndfile reads it; DataError over what can't be read, or ends before it says."""
    # Imported here, so that tasks without sound don't depend on the system's libsndfile.
    import soundfile

    try:
        with soundfile.SoundFile(str(file)) as sound:
            if sound.format not in FORMATS:
                raise DataError(f"{file}: is {sound.format}, expected {' or '.join(FORMATS)}")
            if sound.frames > 8 * file.stat().st_size:
                raise DataError(f"{file}: says it has {sound.frames} samples, and is shorter")
            if (missing := _missing(file)) > 1:  # a byte of padding is left out by some
                raise DataError(
                    f"{file}: {missing} bytes that its header says are missing; copy it again"
                )
            yield sound
    except (soundfile.SoundFileError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"{file}: can't be read as WAV, RIFF or NIST SPHERE ({in_a_line(error)})"
        ) from error


def _missing(file: Path) -> int:
    """The bytes that a header announces and its file does not have; libsndfile reads what is there."""
    with file.open("rb") as opened:
        head = opened.read(1024)
    announced = 0
    if head[:4] == b"RIFF":
        announced = 8 + int.from_bytes(head[4:8], "little")
        if announced == 8 + 2**32 - 1:  # written by a program that did not know yet
            return 0
    elif head[:4] == b"NIST":
        numbers = {name: int(n) for name, n in re.findall(rb"\n(\w+) -i (\d{1,12})", head)}
        frame = numbers.get(b"sample_n_bytes", 0) * numbers.get(b"channel_count", 1)
        announced = 1024 + frame * numbers.get(b"sample_count", 0)
    return announced - file.stat().st_size


def read_samples(file: Path, rate: int) -> FloatArray:
    """The samples of a mono recording, -1 to 1, shape (sample,); all are finite.

    - rate: the sampling rate it must have, in Hz
    """
    with open_sound(file) as sound:
        samples, found = sound.read(dtype="float32", always_2d=True), sound.samplerate
        if len(samples) != sound.frames:
            raise DataError(f"{file}: ends after {len(samples)} of {sound.frames} samples")
    if found != rate:
        raise DataError(f"{file}: sampling rate is {found} Hz, expected {rate} Hz; resample it")
    if samples.shape[1] != 1:
        raise DataError(f"{file}: {samples.shape[1]} channels, expected 1; mix them down")
    mono: FloatArray = samples[:, 0]
    check_finite(mono, f"{file}: samples")
    return mono


def read_segments(file: Path) -> tuple[Segment, ...]:
    """The phones of a ``.PHN`` file."""
    segments: list[Segment] = []
    lines = read_text(file, str(file), DataError, encoding="ascii").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            start, stop, phone = line.split()
            segment = Segment(start=int(start), stop=int(stop), phone=phone)
        except ValueError as error:
            raise DataError(
                f"{file}, line {number}: {line.strip()!r}, expected 'START STOP PHONE' in samples"
            ) from error
        before = segments[-1].start if segments else 0
        if not before <= segment.start < segment.stop:
            raise DataError(
                f"{file}, line {number}: samples [{segment.start}, {segment.stop}) are out of order; "
                f"a phone must end after it starts, and start at {before} or later"
            )
        segments.append(segment)
    if not segments:
        raise DataError(f"{file}: no phones in it; restore the file")
    return tuple(segments)


def phone_of_frames(
    recording: LabelledSpeech, n_samples: int, n_frames: int, frame: int
) -> list[str | None]:
    """The phone in the middle of each frame, None where there is no label.

    - n_samples: length of the recording. Labels may end up to one frame later
    - frame: samples in a frame; frame i is [i frame, (i + 1) frame)
    """
    last = max(segment.stop for segment in recording.segments)
    if last > n_samples + frame:
        raise DataError(
            f"{recording.file.with_suffix('.PHN')}: labels end at sample {last}, but the recording "
            f"has {n_samples}; one of the two files is cut short or belongs to another"
        )
    phones: list[str | None] = [None] * n_frames
    for segment in recording.segments:
        first, stop = (-(-(2 * at - frame) // (2 * frame)) for at in (segment.start, segment.stop))
        for i in range(max(first, 0), min(stop, n_frames)):
            phones[i] = segment.phone
    return phones


def _recordings(folder: Path, part: str) -> list[Path]:
    """The ``.WAV`` files below TRAIN or TEST, SA sentences left out, in the order of their names."""
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; task.data, or --data, must name your copy of TIMIT"
        )
    found = [f for f in folder.iterdir() if f.is_dir() and f.name.upper() == part]
    files = [
        file
        for below in found
        for file in below.rglob("*")
        if file.suffix.upper() == ".WAV"
        and file.stem.upper() not in ("SA1", "SA2")
        # Some copies have each SPHERE file twice, once more as RIFF named X.WAV.wav.
        and not file.stem.upper().endswith(".WAV")
    ]
    if not files:
        raise DataError(
            f"{folder}: no .WAV files in a folder {part} below it; task.data, or --data, must name a "
            "complete copy of TIMIT, the folder that holds TRAIN and TEST"
        )
    return sorted(files, key=lambda file: _name(file, folder))


def _labelled(files: Sequence[Path]) -> tuple[LabelledSpeech, ...]:
    return tuple(
        LabelledSpeech(file=file, segments=read_segments(_labels_of(file))) for file in files
    )


def _labels_of(file: Path) -> Path:
    for suffix in (".PHN", ".phn"):
        if (labels := file.with_suffix(suffix)).is_file():
            return labels
    raise DataError(f"{file}: no {file.stem}.PHN beside it; restore it, or remove the recording")


def _name(file: Path, folder: Path) -> str:
    """The name of a recording, the same on every machine and for either case."""
    return file.relative_to(folder).with_suffix("").as_posix().upper()


def _hold_out(files: Sequence[Path], folder: Path, n: int | None) -> tuple[list[Path], list[Path]]:
    """Split recordings into those for training and ``n`` for validation, by a hash of the name."""
    n = max(1, len(files) // 8) if n is None else n
    if not 0 < n < len(files):
        raise DataError(
            f"{folder}: {n} of {len(files)} training recordings for validation; task.validation must "
            f"lie in 1 to {len(files) - 1}"
        )
    digest = {f: hashlib.sha256(_name(f, folder).encode()).digest() for f in files}
    held_out = set(sorted(files, key=digest.__getitem__)[:n])
    return [f for f in files if f not in held_out], [f for f in files if f in held_out]
