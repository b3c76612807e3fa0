import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.delayed_xor import DelayedXOR, DelayedXORConfig


@pytest.fixture(scope="module")
def task():
    return DelayedXOR(DelayedXORConfig())


def bursts(task, inputs):
    """(group, first step, last step) of every burst in a sample, from the spikes alone."""
    by_group = inputs.reshape(len(inputs), 3, -1).any(axis=2)  # (time, group)
    found = []
    for group in range(3):
        steps = np.flatnonzero(by_group[:, group])
        gaps = np.flatnonzero(np.diff(steps) > task.config.cue_steps) + 1
        found += [(group, part[0], part[-1]) for part in np.split(steps, gaps) if len(part)]
    return sorted(found, key=lambda burst: burst[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_target_is_the_xor_of_the_bits_that_are_shown(task, seed):
    batch = task.train_batch(16, np.random.default_rng(seed))
    for sample in range(16):
        groups = [group for group, _, _ in bursts(task, batch.inputs[:, sample])]
        assert len(groups) == 3
        first, second, go = groups
        assert go == 2
        assert batch.labels.target[sample] == (first != second)


@given(least=st.integers(60, 80), more=st.integers(0, 60), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_cues_are_as_far_apart_as_the_delays_say(least, more, seed):
    task = DelayedXOR(DelayedXORConfig(delay=(least, least + more), rate=1000))  # no gaps in a cue
    rng = np.random.default_rng(seed)
    bits, delays = task.draw(5, rng)
    assert ((delays >= least) & (delays <= least + more)).all()
    inputs = task.encode(bits, delays, rng)
    for sample in range(5):
        first, second, go = bursts(task, inputs[:, sample])
        assert [b[2] - b[1] + 1 for b in (first, second, go)] == [40, 40, 40]
        assert [second[1] - first[2] - 1, go[1] - second[2] - 1] == delays[sample].tolist()
        assert go[2] == task.n_steps - 1


def test_it_is_decided_while_go_lasts_and_go_says_nothing_of_the_bits(task):
    batch = task.train_batch(64, np.random.default_rng(0))
    window = slice(task.n_steps - 40, task.n_steps)
    assert set(batch.labels.start) == {window.start}
    assert set(batch.labels.stop) == {window.stop}
    assert not batch.inputs[window, :, :40].any()
    assert batch.inputs[window, :, 40:].any(axis=(0, 2)).all()


def test_neither_bit_alone_tells_the_answer(task):
    bits, _ = task.draw(4000, np.random.default_rng(0))
    answer = bits[:, 0] ^ bits[:, 1]
    for known in bits.T:
        assert answer[known == 0].mean() == pytest.approx(0.5, abs=0.05)
        assert answer[known == 1].mean() == pytest.approx(0.5, abs=0.05)


def test_a_split_is_the_same_every_time_and_at_every_batch_size(task):
    whole = next(task.batches("validation", 7, max_samples=7))
    parts = list(task.batches("validation", 3, max_samples=7))
    assert [part.size for part in parts] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([p.inputs for p in parts], axis=1), whole.inputs)
    np.testing.assert_array_equal(
        np.concatenate([p.labels.target for p in parts]), whole.labels.target
    )


def test_splits_and_seeds_differ(task):
    other = DelayedXOR(DelayedXORConfig(seed=1))
    firsts = [
        next(task.batches("validation", 1)).inputs.tobytes(),
        next(task.batches("test", 1)).inputs.tobytes(),
        next(other.batches("test", 1)).inputs.tobytes(),
    ]
    assert len(set(firsts)) == 3
    assert (task.n_samples("validation"), task.n_samples("test")) == (512, 2048)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"delay": (5, 4)}, r"delay is \[5, 4\]"),
        ({"delay": (-1, 4)}, r"delay is \[-1, 4\]"),
        ({"rate": 1001}, "rate"),
        ({"cue_steps": 0}, "cue_steps"),
        ({"symbols": 6}, "symbols"),
    ],
)
def test_wrong_settings_are_refused_by_name(fields, message):
    with pytest.raises(ValidationError, match=message):
        DelayedXORConfig(**fields)


def test_unknown_splits_and_empty_batches_are_refused(task):
    with pytest.raises(DataError, match="'train': allowed are"):
        next(task.batches("train", 4))
    with pytest.raises(DataError, match="at least 1"):
        task.train_batch(0, np.random.default_rng(0))
