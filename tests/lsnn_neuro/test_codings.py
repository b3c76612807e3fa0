"""The codings of signals, by hand, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lsnn_neuro.errors import DataError
from lsnn_neuro.registry import ENCODERS
from lsnn_neuro.tasks.arrays import coding_of
from lsnn_neuro.tasks.augmentation import AugmentationConfig, augment
from lsnn_neuro.tasks.codings import some_values
from lsnn_neuro.tasks.signal_encoder import Frame


def made(signals: list[Any], steps: int | None = None, **fields: Any) -> Any:
    """An encoder fitted to signals, and shown as long as the longest."""
    frame = {k: fields.pop(k) for k in ("align", "longer", "every_channel") if k in fields}
    arrays = [np.asarray(s, float).reshape(len(s), -1) for s in signals]
    config = coding_of(fields)
    longest = max(map(len, arrays)) * config.value_steps
    whole = Frame(n_channels=arrays[0].shape[1], steps=steps or longest, **frame)
    return ENCODERS[config.name].fit(config, whole, [a[:, :: whole.every_channel] for a in arrays])


def column(values: list[float]) -> np.ndarray:
    return np.array(values, float)[:, None]


def test_graded_values_are_events_as_they_are() -> None:
    encoder = made([[0, 1, -3]], name="graded", value_steps=2)
    found = encoder.encode([column([0, 1, -3])])
    assert found.dtype == np.int8
    assert found[:, 0, 0].tolist() == [0, 0, 1, 0, -3, 0]
    assert encoder.encode([column([0, 1, 1])]).dtype == np.bool_


def test_graded_values_may_be_scaled_and_rounded() -> None:
    encoder = made([[0.5]], name="graded", scale=10.0)
    assert encoder.encode([column([0.51])])[0, 0, 0] == 5


@pytest.mark.parametrize("value", [0.5, 128, -129])
def test_a_graded_value_that_does_not_fit_8_bits_is_named(value: float) -> None:
    encoder = made([[0, 1]], name="graded")
    with pytest.raises(DataError, match=rf"sample 1: value \[1, 0\] is {value}"):
        encoder.encode([column([0, 1]), column([0, value])])


def test_levels_divide_the_training_values_evenly() -> None:
    signal = np.arange(100.0)
    encoder = made([signal], name="level", levels=3)
    np.testing.assert_allclose(encoder.constants["levels"], [[24.75, 49.5, 74.25]])
    found = encoder.encode([column([10, 30, 60, 99])])[:4, 0]
    assert found.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_levels_may_be_given() -> None:
    encoder = made([np.zeros((3, 2))], name="level", levels=[0.5, 2])
    assert encoder.n_inputs == 4
    found = encoder.encode([np.array([[1, 0], [3, 0.5], [0, 2]])])[:, 0]
    assert found.astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]]


def test_delta_follows_the_signal_by_its_threshold() -> None:
    encoder = made([[0]], steps=8, name="delta", threshold=1.0)
    found = encoder.encode([column([5, 6, 8.5, 8.5, 8.5, 7, 6.2, 5])])[:, 0]
    up, down = found.T.astype(int)
    assert up.tolist() == [0, 1, 1, 1, 0, 0, 0, 0]  # to 6, 7, 8: a step at a time
    assert down.tolist() == [0, 0, 0, 0, 0, 1, 0, 1]
    assert 5 + up.sum() - down.sum() == 6  # within a step of the signal, which is still falling


def test_delta_keeps_within_a_threshold_of_a_slow_signal() -> None:
    rng = np.random.default_rng(0)
    signal = np.cumsum(rng.uniform(-0.1, 0.1, (500, 3)), axis=0)
    found = made([signal], name="delta", threshold=0.1).encode([signal])[:, 0].astype(int)
    moved = (found[:, 0::2] - found[:, 1::2]).cumsum(axis=0) * 0.1
    assert np.abs(signal - (signal[0] + moved)).max() < 0.1 + 1e-6


def test_latency_is_shorter_for_larger_values() -> None:
    encoder = made([[0, 1]], name="latency", value_steps=4)
    found = encoder.encode([column([1, 0])])[:, 0, 0]
    assert found.astype(int).tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    each = [
        np.flatnonzero(encoder.encode([column([v, 0])])[:4, 0, 0]) for v in (0.9, 0.6, 0.3, 0.1)
    ]
    assert [int(first[0]) for first in each] == [0, 1, 2, 3]


def test_poisson_rates_are_those_of_the_values() -> None:
    encoder = made([[0, 1]], steps=4000, name="poisson", max_rate=400.0, value_steps=1000)
    found = encoder.encode([column([0, 0.25, 0.5, 1])])[:, 0, 0].reshape(4, 1000)
    np.testing.assert_allclose(found.mean(axis=1), [0, 0.1, 0.2, 0.4], atol=0.04)


def test_poisson_spikes_of_a_signal_are_always_the_same_but_in_training() -> None:
    signals = [np.random.default_rng(i).random((40 + i, 2)) for i in range(4)]
    encoder = made(signals, name="poisson", low=0.0, high=1.0, max_rate=500.0)
    whole = encoder.encode(signals)
    alone = np.concatenate([encoder.encode([s]) for s in signals], axis=1)
    np.testing.assert_array_equal(whole, alone)
    checked = [encoder.checked(s, "") for s in signals]
    rng = np.random.default_rng(0)
    assert (encoder.place(checked, rng) != encoder.place(checked, rng)).any()


@pytest.mark.parametrize("name", ["poisson", "latency"])
def test_a_value_outside_the_range_is_named_or_clipped_on_request(name: str) -> None:
    encoder = made([[0, 2]], name=name)
    with pytest.raises(
        DataError, match=r"sample 0: value \[1, 0\] is 3.0, outside the range 0 to 2"
    ):
        encoder.encode([column([1, 3])])
    clipping = made([[0, 2]], name=name, outside="clip")
    np.testing.assert_array_equal(
        clipping.encode([column([1, 3])])[: clipping.config.value_steps],
        clipping.encode([column([1, 2])])[: clipping.config.value_steps],
    )


CODINGS: dict[str, dict[str, Any]] = {
    "graded": {"scale": 20.0}, "level": {"levels": 4}, "delta": {"threshold": 0.2}, "poisson": {},
    "latency": {},
}  # fmt: skip


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("align", ["start", "end"])
def test_a_coding_comes_back_from_its_settings_and_constants(name: str, align: str) -> None:
    signals = [np.random.default_rng(i).random((20 + i, 5)) for i in range(5)]
    held = 3
    encoder = made(
        signals,
        steps=80,
        name=name,
        value_steps=held,
        align=align,
        every_channel=2,
        **CODINGS[name],
    )
    again = ENCODERS[name].of(encoder.settings(), encoder.arrays())
    found = again.encode(signals)
    assert found.shape == (80, 5, 3 * encoder.per_channel)
    np.testing.assert_array_equal(found, encoder.encode(signals))
    silent = found[20 * held :, 0] if align == "start" else found[: 80 - 20 * held, 0]
    assert not silent.any()  # nothing where there is no sample


@pytest.mark.parametrize("name", ["level", "poisson"])
def test_constants_of_another_size_are_refused(name: str) -> None:
    encoder = made([np.random.default_rng(0).random((20, 3))], name=name)
    for arrays in ({}, {k: a[:2] for k, a in encoder.arrays().items()}):
        with pytest.raises(ValueError, match="expected finite numbers of shape"):
            type(encoder).of(encoder.settings(), arrays)
    with pytest.raises(ValueError, match="n_channels: Field required"):
        type(encoder).of({**encoder.settings(), "frame": {"steps": 3}}, encoder.arrays())


def test_quantiles_of_many_values_are_taken_of_some_of_each_signal(monkeypatch: Any) -> None:
    monkeypatch.setattr("lsnn_neuro.tasks.codings.FITTED", 100)
    values = some_values([np.full((1000, 2), i) for i in range(5)], 2)
    assert values.size == 100
    assert np.unique(values[:, 0], return_counts=True)[1].tolist() == [10] * 5


# --- augmentation


def test_shifted_samples_lose_what_leaves_and_get_nothing() -> None:
    inputs = np.zeros((10, 200, 6), np.int8)
    inputs[5, :, 2:4] = 3  # the second of three channels, two inputs each
    config = AugmentationConfig(shift_channels=2)
    moved = augment(inputs, config, np.random.default_rng(0), per_channel=2)
    places = {tuple(np.flatnonzero(moved[5, i])) for i in range(200)}
    assert places == {(), (0, 1), (2, 3), (4, 5)}
    later = augment(inputs, AugmentationConfig(shift_steps=4), np.random.default_rng(0))
    assert set(np.nonzero(later.any(axis=(1, 2)))[0]) == set(range(1, 10))
    assert inputs[5, :, 2:4].all()


def test_dropped_spikes_are_a_share_of_all() -> None:
    inputs = np.random.default_rng(0).random((50, 20, 30)) < 0.5
    found = augment(inputs, AugmentationConfig(drop_spikes=0.3), np.random.default_rng(1))
    assert found.dtype == np.bool_
    assert not (found & ~inputs).any()
    assert found.sum() / inputs.sum() == pytest.approx(0.7, abs=0.02)


def test_nothing_is_augmented_unasked() -> None:
    inputs = np.random.default_rng(0).random((5, 2, 3)) < 0.5
    assert augment(inputs, AugmentationConfig(), np.random.default_rng(1)) is inputs
