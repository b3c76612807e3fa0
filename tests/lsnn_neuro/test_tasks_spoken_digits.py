import numpy as np
import pytest
from pydantic import ValidationError
from speech_folders import FSDD, fsdd, needs_fsdd, tone, write_wav

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.spoken_digits import SpokenDigits, SpokenDigitsConfig


def make(folder, **fields):
    return SpokenDigits(SpokenDigitsConfig(data=str(folder), **({"max_frames": 30} | fields)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fsdd(tmp_path_factory.mktemp("fsdd"))


@pytest.fixture(scope="module")
def task(folder):
    return make(folder)


def test_all_recordings_end_where_the_cue_begins(task):
    batch = next(task.batches("test", 200))  # 10 to 18 frames long
    sound, cue = batch.inputs[:, :, :-1], batch.inputs[:, :, -1]
    assert (task.n_steps, task.n_inputs) == (190, 131)
    lengths = [10 + 2 * i for i in range(5)] * 20
    first = sound.any(axis=2).argmax(axis=0)
    assert first.tolist() == [150 - 5 * n for n in lengths]
    assert sound[145].any(axis=1).all()
    assert not sound[150:].any()
    assert cue[150:].all()
    assert not cue[:150].any()


def test_there_is_one_decision_at_the_end_and_the_name_says_which(task):
    labels = next(task.batches("test", 200)).labels
    assert set(labels.start) == {150}
    assert set(labels.stop) == {190}
    assert labels.target.tolist() == [digit for digit in range(10) for _ in range(2 * 5)]


def test_different_digits_sound_different(task):
    batch = next(task.batches("test", 200))
    fired = batch.inputs.any(axis=0)  # (sample, input)
    zero, nine = (fired[batch.labels.target == digit] for digit in (0, 9))
    assert not (zero.all(axis=0) == nine.all(axis=0)).all()


def test_the_end_of_long_recordings_is_cut(folder, task):
    short = make(folder, max_frames=12)
    whole = next(task.batches("test", 5)).inputs[:, 4]  # 18 frames
    cut = next(short.batches("test", 5)).inputs[:, 4]
    np.testing.assert_array_equal(cut[:60, :-1], whole[60:120, :-1])


def test_a_split_is_the_same_at_every_batch_size(task):
    whole, parts = next(task.batches("test", 100)), list(task.batches("test", 70))
    assert [part.size for part in parts] == [70, 30]
    np.testing.assert_array_equal(np.concatenate([p.inputs for p in parts], axis=1), whole.inputs)


def test_training_depends_on_nothing_but_the_generator(folder, task):
    first, second = (t.train_batch(8, np.random.default_rng(5)) for t in (task, make(folder)))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.labels.target, second.labels.target)


def test_a_share_of_the_sound_is_dropped_in_training_and_never_the_cue(folder, task):
    batches = [
        t.train_batch(50, np.random.default_rng(5)) for t in (task, make(folder, drop_spikes=0.5))
    ]
    full, some = (batch.inputs for batch in batches)
    assert not (some & ~full).any()
    assert some[..., :-1].sum() / full[..., :-1].sum() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(some[..., -1], full[..., -1])


def test_a_wrong_sampling_rate_is_refused(tmp_path):
    write_wav(fsdd(tmp_path) / "recordings" / "3_ann_2.wav", tone(1, 800, 16_000), 16_000)
    with pytest.raises(DataError, match=r"3_ann_2\.wav: sampling rate is 16000 Hz, expected 8000"):
        make(tmp_path)


def test_wrong_settings_are_refused_by_name():
    with pytest.raises(ValidationError, match="decision_steps is 600, but there are only 540"):
        SpokenDigitsConfig(data="x", decision_steps=600)


def test_unknown_splits_and_empty_batches_are_refused(task):
    with pytest.raises(DataError, match="'train': allowed are"):
        next(task.batches("train", 4))
    with pytest.raises(DataError, match="at least 1"):
        task.train_batch(0, np.random.default_rng(0))


@needs_fsdd
@pytest.mark.slow
def test_real_digits_are_heard():
    task = make(FSDD, max_frames=80)
    batch = next(task.batches("test", 300))
    assert np.bincount(batch.labels.target).tolist() == [30] * 10
    assert batch.inputs[:-40, :, :-1].any(axis=(0, 2)).all()
