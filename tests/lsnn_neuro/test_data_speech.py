import itertools
from pathlib import Path

import numpy as np
import pytest
from speech_folders import (
    FSDD,
    PHONES,
    fsdd,
    needs_fsdd,
    needs_phones,
    timit,
    tone,
    utterance,
    write_sphere,
    write_wav,
)  # fmt: skip

from lsnn_neuro.data.speech import (
    LabelledSpeech,
    Segment,
    find_digits,
    find_phones,
    phone_of_frames,
    read_samples,
    read_segments,
)
from lsnn_neuro.data.timit import CORE_TEST_SPEAKERS, FOLD_39, FOLD_48, Q
from lsnn_neuro.data.timit import PHONES as TIMIT_PHONES
from lsnn_neuro.errors import DataError


def names(part):
    return [recording.file.stem for recording in part]


def test_timit_has_61_phones_which_fold_to_48_and_39():
    assert len(TIMIT_PHONES) == 61
    assert len(set(FOLD_48.values())) == 48
    assert len(set(FOLD_39.values())) == 39
    assert FOLD_48.keys() == FOLD_39.keys() == TIMIT_PHONES - {Q}


@pytest.mark.parametrize(
    "same", ["ao aa", "ax ax-h ah", "axr er", "hv hh", "ix ih", "el l", "em m", "en nx n", "eng ng",
             "zh sh", "ux uw", "pcl tcl kcl bcl dcl gcl h# pau epi"],
)  # fmt: skip
def test_confusable_phones_count_as_the_same(same):
    assert len({FOLD_39[phone] for phone in same.split()}) == 1


def test_the_core_test_set_are_two_men_and_a_woman_of_eight_regions():
    sexes = [speaker[0] for speaker in CORE_TEST_SPEAKERS]
    assert (sexes.count("M"), sexes.count("F")) == (16, 8)


def test_splits_are_disjoint_complete_and_without_sa_sentences(tmp_path):
    splits = find_phones(timit(tmp_path, train=16, test=3))
    assert names(splits.test) == ["SX0", "SX2", "SX1"]  # by dialect, then by name
    assert len(splits.validation) == 2
    assert {*names(splits.train), *names(splits.validation)} == {f"SX{i}" for i in range(16)}
    assert len(splits.train) == 14


def test_validation_is_the_same_wherever_the_folder_is_and_whatever_its_case(tmp_path):
    upper = find_phones(timit(tmp_path / "one"))
    for file in (tmp_path / "one").rglob("*.*"):
        lower = tmp_path / "two" / Path(str(file.relative_to(tmp_path / "one")).lower())
        lower.parent.mkdir(parents=True, exist_ok=True)
        lower.write_bytes(file.read_bytes())
    found = find_phones(tmp_path / "two")
    assert [n.upper() for n in names(found.validation)] == names(upper.validation)
    assert [n.upper() for n in names(found.train)] == names(upper.train)


def test_the_core_test_set_is_taken_where_it_is_complete(tmp_path):
    timit(tmp_path)
    for speaker in sorted(CORE_TEST_SPEAKERS)[1:]:
        utterance(tmp_path / "TEST" / "DR1" / speaker / "SI1.WAV")
    assert len(find_phones(tmp_path).test) == 25  # one of 24 speakers is missing: all there are
    utterance(tmp_path / "TEST" / "DR1" / sorted(CORE_TEST_SPEAKERS)[0] / "SI1.WAV")
    assert {r.file.parent.name for r in find_phones(tmp_path).test} == CORE_TEST_SPEAKERS


def test_a_second_copy_of_a_sphere_file_is_not_a_second_recording(tmp_path):
    before = find_phones(timit(tmp_path))
    copy = tmp_path / "TEST" / "DR1" / "MAAAE" / "SX0.WAV"
    copy.with_name("SX0.WAV.wav").write_bytes(copy.read_bytes())
    assert find_phones(tmp_path) == before


def test_sphere_and_riff_give_the_same_samples(tmp_path):
    samples = tone(440, 1000, 16_000)
    write_wav(tmp_path / "a.WAV", samples, 16_000)
    write_sphere(tmp_path / "b.WAV", samples, 16_000)
    for name in ("a.WAV", "b.WAV"):
        read = read_samples(tmp_path / name, 16_000)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read * 32768, samples)


def test_another_sampling_rate_is_refused(tmp_path):
    write_wav(tmp_path / "a.WAV", tone(440, 1000, 8000), 8000)
    with pytest.raises(DataError, match=r"a\.WAV: sampling rate is 8000 Hz, expected 16000 Hz"):
        read_samples(tmp_path / "a.WAV", 16_000)


def test_two_channels_are_refused(tmp_path):
    write_wav(tmp_path / "a.WAV", np.zeros((100, 2), np.int16), 16_000)
    with pytest.raises(DataError, match="2 channels, expected 1"):
        read_samples(tmp_path / "a.WAV", 16_000)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"NIST_1A\n   1024\n", b"no sound at all"])
def test_a_file_without_sound_is_refused(tmp_path, content):
    (tmp_path / "a.WAV").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.WAV: can't be read"):
        read_samples(tmp_path / "a.WAV", 16_000)


def test_missing_labels_are_refused_by_name(tmp_path):
    timit(tmp_path)
    (tmp_path / "TRAIN" / "DR1" / "MAAAR" / "SX0.PHN").unlink()
    with pytest.raises(DataError, match=r"SX0\.WAV: no SX0\.PHN beside it"):
        find_phones(tmp_path)


@pytest.mark.parametrize("missing", ["TRAIN", "TEST"])
def test_an_incomplete_folder_is_refused(tmp_path, missing):
    timit(tmp_path)
    (tmp_path / missing).rename(tmp_path / "OTHER")
    with pytest.raises(DataError, match=rf"no \.WAV files in a folder {missing} below it"):
        find_phones(tmp_path)


def test_empty_and_absent_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no \.WAV files"):
        find_phones(tmp_path)
    with pytest.raises(
        DataError, match=r"no such folder; task\.data, or --data, must name your copy"
    ):
        find_phones(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no folder 'recordings'"):
        find_digits(tmp_path)
    (tmp_path / "recordings").mkdir()
    with pytest.raises(DataError, match="0 test recordings"):
        find_digits(tmp_path)


@pytest.mark.parametrize("validation", [8, 9])
def test_validation_must_leave_something_to_train_on(tmp_path, validation):
    with pytest.raises(DataError, match=f"{validation} of 8 training recordings"):
        find_phones(timit(tmp_path), validation)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 10", "line 2: '0 10', expected 'START STOP PHONE'"),
        ("a 10 iy", "line 2: 'a 10 iy', expected"),
        ("9 9 iy", r"line 2: samples \[9, 9\) are out of order"),
        ("2 9 iy", r"line 2: samples \[2, 9\) are out of order"),
    ],
)
def test_wrong_lines_of_labels_are_refused(tmp_path, line, message):
    (tmp_path / "a.PHN").write_text(f"5 8 h#\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_segments(tmp_path / "a.PHN")


def test_labels_without_phones_are_refused(tmp_path):
    (tmp_path / "a.PHN").write_text("\n")
    with pytest.raises(DataError, match="no phones in it"):
        read_segments(tmp_path / "a.PHN")


def labelled(*segments):
    parts = tuple(Segment(start=a, stop=b, phone=phone) for a, b, phone in segments)
    return LabelledSpeech(file=Path("x.WAV"), segments=parts)


def test_a_frame_has_the_phone_in_its_middle():
    speech = labelled((0, 5, "a"), (5, 15, "b"), (16, 40, "c"))
    # middles at samples 5, 15, 25, 35: a ends where the first is, sample 15 has no label
    assert phone_of_frames(speech, 40, 4, 10) == ["b", None, "c", "c"]


def test_frames_agree_with_a_look_at_every_middle():
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends = np.unique(rng.integers(0, 200, 8))
        speech = labelled(*[(a, b, str(a)) for a, b in itertools.pairwise(ends)])
        frame = 2 * int(rng.integers(1, 9))
        expected = [
            next((s.phone for s in speech.segments if s.start <= middle < s.stop), None)
            for middle in range(frame // 2, 200, frame)
        ]
        assert phone_of_frames(speech, 200, len(expected), frame) == expected


def test_labels_beyond_the_recording_are_refused():
    speech = labelled((0, 111, "a"))
    assert phone_of_frames(speech, 101, 10, 10) == ["a"] * 10
    with pytest.raises(
        DataError, match=r"x\.PHN: labels end at sample 111, but the recording has 100"
    ):
        phone_of_frames(speech, 100, 10, 10)


def test_digits_0_to_4_are_the_test_split(tmp_path):
    splits = find_digits(fsdd(tmp_path))
    test = {r.file.stem for r in splits.test}
    assert test == {f"{d}_{s}_{i}" for d in range(10) for s in ("ann", "bob") for i in range(5)}
    assert len(splits.validation) == 60 // 8
    assert len({*splits.train, *splits.validation, *splits.test}) == 160
    for recording in (*splits.train, *splits.validation, *splits.test):
        assert recording.digit == int(recording.file.stem[0])


@pytest.mark.parametrize("name", ["ten_ann_1.wav", "11_ann_1.wav", "1_ann.wav"])
def test_a_digit_with_another_name_is_refused(tmp_path, name):
    write_wav(fsdd(tmp_path) / "recordings" / name, tone(1, 800, 8000), 8000)
    with pytest.raises(DataError, match=f"{name}: must be named"):
        find_digits(tmp_path)


@needs_phones
def test_all_the_labelled_speech_there_is_can_be_found():
    splits = find_phones(PHONES)
    assert len(splits.train) + len(splits.validation) == 385
    assert len(splits.test) == 96
    assert {s.phone for r in splits.train for s in r.segments} <= TIMIT_PHONES


@needs_fsdd
def test_all_the_spoken_digits_can_be_found():
    splits = find_digits(FSDD)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [2363, 337, 300]
