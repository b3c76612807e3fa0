"""Small folders laid out like TIMIT and like the Free Spoken Digit Dataset, and where real ones may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

SHARED = Path(__file__).parents[2] / "shared" / "data"
PHONES, FSDD = SHARED / "phones", SHARED / "fsdd"

needs_phones = pytest.mark.skipif(not PHONES.is_dir(), reason=f"no labelled speech in {PHONES}")
needs_fsdd = pytest.mark.skipif(not FSDD.is_dir(), reason=f"no spoken digits in {FSDD}")


def tone(hertz: float, n: int, rate: int) -> npt.NDArray[np.int16]:
    """So many samples of a tone with a little noise, which is always the same."""
    noise = np.random.default_rng(n).normal(0, 30, n)
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(n) / rate) + noise).astype(np.int16)


def write_wav(file: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, format="WAV")


def write_sphere(file: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """A NIST SPHERE file as on TIMIT's disc: a header of 1024 bytes, then 16-bit samples."""
    fields = (
        "NIST_1A\n   1024\n"
        f"channel_count -i 1\nsample_count -i {len(samples)}\nsample_rate -i {rate}\n"
        f"sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\nend_head\n"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(fields.encode().ljust(1024) + samples.astype("<i2").tobytes())


def write_labels(file: Path, segments: Sequence[tuple[int, int, str]]) -> None:
    file.write_text("".join(f"{start} {stop} {phone}\n" for start, stop, phone in segments))


PITCH = {"h#": 100, "iy": 2500, "aa": 700, "s": 5000}


def utterance(file: Path, phones: Sequence[str] = ("h#", "iy", "s", "aa"), n: int = 1600) -> Path:
    """A recording in which every phone is a tone of 100 ms (or n samples), and its labels."""
    samples = np.concatenate([tone(PITCH.get(phone, 1500), n, 16_000) for phone in phones])
    write_wav(file, samples, 16_000)
    write_labels(
        file.with_suffix(".PHN"), [(i * n, (i + 1) * n, phone) for i, phone in enumerate(phones)]
    )
    return file


def timit(folder: Path, train: int = 8, test: int = 2) -> Path:
    """A small folder laid out like TIMIT, with two dialects and SA sentences."""
    for part, number in (("TRAIN", train), ("TEST", test)):
        for i in range(number):
            utterance(folder / part / f"DR{1 + i % 2}" / f"MAAA{part[1]}" / f"SX{i}.WAV")
        for sentence in ("SA1", "SA2"):
            utterance(folder / part / "DR1" / f"MAAA{part[1]}" / f"{sentence}.WAV")
    return folder


def fsdd(folder: Path, indices: Sequence[int] = range(8)) -> Path:
    """Two speakers' digits 0 to 9, each a tone of its own."""
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for i in indices:
                samples = tone(200 + 300 * digit, 800 + 160 * i, 8000)
                write_wav(folder / "recordings" / f"{digit}_{speaker}_{i}.wav", samples, 8000)
    return folder
