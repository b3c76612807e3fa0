import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.store_recall import RECALL, STORE, StoreRecall, StoreRecallConfig


@pytest.fixture(scope="module")
def paper():
    return StoreRecall(StoreRecallConfig())


def active_groups(task, inputs):
    """Which groups are active in each symbol, from the spikes alone: (symbol, sample, group)."""
    config = task.config
    by_symbol = inputs.reshape(config.symbols, config.symbol_steps, inputs.shape[1], 4, -1)
    return by_symbol.any(axis=(1, 4))


def expected_decisions(groups):
    """(sample, symbol, bit) of every recall, from the groups that are active."""
    found = []
    for sample in range(groups.shape[1]):
        bit = None
        for symbol, (zero, one, store, recall) in enumerate(groups[:, sample]):
            if store:
                assert zero != one
                bit = int(one)
            if recall:
                assert (zero, one, store) == (False, False, False)
                found.append((sample, symbol, bit))
                bit = None
    return found


def test_the_default_is_the_tutorials_set_up(paper):
    batch = paper.train_batch(3, np.random.default_rng(0))
    assert batch.inputs.shape == (12 * 200, 3, 100)
    assert (paper.n_steps, paper.n_inputs, paper.n_outputs) == (2400, 100, 2)


def test_the_target_is_the_last_stored_bit(paper):
    batch = paper.train_batch(32, np.random.default_rng(1))
    expected = expected_decisions(active_groups(paper, batch.inputs))
    labels = batch.labels
    assert [(s, 200 * symbol, bit) for s, symbol, bit in expected] == list(
        zip(labels.sample.tolist(), labels.start.tolist(), labels.target.tolist(), strict=True)
    )
    assert set(labels.stop - labels.start) == {200}


def test_every_symbol_but_a_recall_shows_exactly_one_bit(paper):
    groups = active_groups(paper, paper.train_batch(16, np.random.default_rng(2)).inputs)
    zero, one, store, recall = np.moveaxis(groups, -1, 0)
    np.testing.assert_array_equal(zero ^ one, ~recall)
    assert not (zero & one).any()
    assert not (store & recall).any()


@given(symbols=st.integers(3, 20), delay=st.floats(1, 18), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_stores_and_recalls_take_turns_with_a_symbol_between(symbols, delay, seed):
    config = StoreRecallConfig(symbols=symbols, expected_delay=min(delay, symbols - 2))
    kinds, _ = StoreRecall(config).draw(20, np.random.default_rng(seed))
    for sequence in kinds:
        signals = [(int(kind), t) for t, kind in enumerate(sequence) if kind]
        assert [kind for kind, _ in signals] == [STORE, RECALL] * (len(signals) // 2)
        assert len(signals) >= 2
        for (_, store), (_, recall) in zip(signals[::2], signals[1::2], strict=True):
            assert recall - store >= 2


@pytest.mark.parametrize("delay", [1, 2, 6])
def test_long_sequences_have_the_expected_delay(delay):
    task = StoreRecall(StoreRecallConfig(symbols=1000, expected_delay=delay))
    kinds, _ = task.draw(100, np.random.default_rng(0))
    stores, recalls = np.nonzero(kinds == STORE)[1], np.nonzero(kinds == RECALL)[1]
    assert (recalls - stores - 1).mean() == pytest.approx(delay, rel=0.03)


def test_bits_are_fair_and_new_after_each_store(paper):
    kinds, bits = paper.draw(4000, np.random.default_rng(0))
    assert bits.mean() == pytest.approx(0.5, abs=0.01)
    sample, store = np.nonzero(kinds == STORE)
    same = bits[sample, store] == bits[sample, store + 1]
    assert same.mean() == pytest.approx(0.5, abs=0.04)


def test_active_groups_fire_at_50_hz(paper):
    kinds, bits = paper.draw(50, np.random.default_rng(0))
    inputs = paper.encode(kinds, bits, np.random.default_rng(1))
    spikes = inputs.reshape(12, 200, 50, 4, 25).sum(axis=(1, 4))  # (symbol, sample, group)
    assert spikes[..., 3][kinds.T == RECALL].mean() == pytest.approx(250, rel=0.05)  # 25 * 10
    assert spikes[..., 2][kinds.T == STORE].mean() == pytest.approx(250, rel=0.05)
    assert spikes[..., 3][kinds.T != RECALL].sum() == 0


def test_a_split_is_the_same_every_time_and_at_every_batch_size(paper):
    whole = next(paper.batches("validation", 9, max_samples=9))
    parts = list(paper.batches("validation", 4, max_samples=9))
    assert [part.size for part in parts] == [4, 4, 1]
    np.testing.assert_array_equal(
        np.concatenate([part.inputs for part in parts], axis=1), whole.inputs
    )
    targets = np.concatenate([part.labels.target for part in parts])
    np.testing.assert_array_equal(targets, whole.labels.target)


def test_splits_and_seeds_differ(paper):
    other = StoreRecall(StoreRecallConfig(seed=1))
    firsts = [
        next(paper.batches("validation", 1)).inputs.tobytes(),
        next(paper.batches("test", 1)).inputs.tobytes(),
        next(other.batches("test", 1)).inputs.tobytes(),
    ]
    assert len(set(firsts)) == 3


def test_splits_have_their_sizes():
    task = StoreRecall(StoreRecallConfig(validation=3, test=5, symbol_steps=5))
    assert (task.n_samples("validation"), task.n_samples("test")) == (3, 5)
    assert [batch.size for batch in task.batches("test", 2)] == [2, 2, 1]


def test_training_depends_on_nothing_but_the_generator(paper):
    first, second = (paper.train_batch(2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.labels.target, second.labels.target)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"symbols": 2}, "symbols"),
        ({"expected_delay": 11}, "at most 10 lie between store and recall"),
        ({"expected_delay": 0.5}, "expected_delay"),
        ({"rate": 0}, "rate"),
        ({"rate": 1001}, "rate"),
        ({"group_size": 0}, "group_size"),
        ({"symbol_steps": 0}, "symbol_steps"),
        ({"validation": 0}, "validation"),
        ({"test": 0}, "test"),
        ({"seed": -1}, "seed"),
        ({"delay": 6}, "delay"),
    ],
)
def test_wrong_settings_are_refused_by_name(fields, message):
    with pytest.raises(ValidationError, match=message):
        StoreRecallConfig(**fields)


def test_unknown_splits_and_empty_batches_are_refused(paper):
    with pytest.raises(DataError, match="'train': allowed are"):
        next(paper.batches("train", 4))
    with pytest.raises(DataError, match="at least 1"):
        paper.train_batch(0, np.random.default_rng(0))
    with pytest.raises(DataError, match="at least 1"):
        next(paper.batches("test", 4, max_samples=0))
