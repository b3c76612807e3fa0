"""The intermediate representation refuses what no chip can hold, and can't be changed."""

import dataclasses

import numpy as np
import pytest
from random_networks import random_network

from lsnn_neuro.errors import NetworkError
from quantize.network import Population, Projection, QuantizedNetwork, Readout

POPULATION = {
    "name": "pop", "decay_v": [200, 200], "decay_a": [6, 6], "step_a": [0, 9], "vth_mant": [5, 6],
    "n_ref": 3, "reset": "zero", "scale": 2.0,
}  # fmt: skip
PROJECTION = {
    "name": "in", "source": "input", "target": "pop", "n_source": 3, "n_target": 2,
    "source_index": [0, 2, 1], "target_index": [0, 0, 1], "weight_mant": [1, 255, 0],
    "delay": [0, 62, 1], "weight_exp": -8, "sign_mode": "excitatory",
}  # fmt: skip
READOUT = {"decay": [4096], "bias": [-3], "scale": 1.0}


def make(kind, **changes):
    return {"population": lambda: Population(**(POPULATION | changes)),
            "projection": lambda: Projection(**(PROJECTION | changes)),
            "readout": lambda: Readout(**(READOUT | changes)),
            "network": lambda: QuantizedNetwork(**(whole() | changes))}[kind]()  # fmt: skip


def whole():
    return {
        "n_inputs": 3,
        "populations": (make("population"),),
        "projections": (make("projection"),),
        "readout": make("readout"),
    }


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("population", {"decay_v": [0, 4097]}, r"'pop': decay_v\[1\] is 4097, .* 0 to 4096"),
        ("population", {"decay_a": [-1, 0]}, r"'pop': decay_a\[0\] is -1, .* 0 to 4096"),
        ("population", {"step_a": [0, 2**23]}, r"step_a\[1\] is 8388608, .* 0 to 8388607"),
        ("population", {"vth_mant": [2**17, 0]}, r"vth_mant\[0\] is 131072, .* 0 to 131071"),
        ("population", {"vth_mant": [1, -1]}, r"vth_mant\[1\] is -1"),
        ("population", {"decay_v": [1]}, r"decay_v has shape \(1,\), expected \(2,\)"),
        ("population", {"decay_v": [[1, 2]]}, r"decay_v has shape \(1, 2\)"),
        ("population", {"decay_v": [1.0, 2.0]}, "decay_v has type float64, expected integers"),
        ("population", {"decay_v": [True, False]}, "decay_v has type bool, expected integers"),
        ("population", {"vth_mant": []}, "'pop': has 0 neurons"),
        ("population", {"n_ref": 64}, "n_ref is 64, allowed are the integers 0 to 63"),
        ("population", {"n_ref": -1}, "n_ref is -1"),
        ("population", {"n_ref": 1.5}, r"n_ref is 1\.5"),
        ("population", {"reset": "soft"}, "reset is 'soft', allowed are 'subtract', 'zero'"),
        ("population", {"neuron": "hh"}, "neuron is 'hh', allowed are 'lif', 'atrlif'"),
        ("population", {"adaptation": "both"}, "allowed are 'threshold', 'current'"),
        ("population", {"neuron": "atrlif"}, "'zero' and n_ref 3 don't go with ATRLIF"),
        (
            "population",
            {"decay_i": [4096, 4095]},
            r"decay_i\[1\] is 4095, allowed are 4096 to 4096",
        ),
        ("population", {"decay_r": [0, 4096]}, r"decay_r\[0\] is 0, allowed are 4096 to 4096"),
        (
            "population",
            {"neuron": "atrlif", "n_ref": 0, "reset": "subtract", "decay_r": [1, 5000]},
            r"decay_r\[1\] is 5000, allowed are 0 to 4096",
        ),
        ("population", {"scale": 0.0}, r"scale is 0\.0, must be finite and above 0"),
        ("population", {"scale": float("nan")}, "scale is nan"),
        ("population", {"name": "input"}, "'input' is empty or reserved"),
        ("population", {"name": "readout"}, "'readout' is empty or reserved"),
        ("population", {"name": ""}, "'' is empty or reserved"),
        ("projection", {"weight_mant": [1, 256, 0]}, r"weight_mant\[1\] is 256, .* 0 to 255"),
        ("projection", {"weight_mant": [-1, 2, 0]}, r"weight_mant\[0\] is -1, .* 0 to 255"),
        ("projection", {"sign_mode": "inhibitory"}, r"weight_mant\[0\] is 1, .* -255 to 0"),
        ("projection", {"sign_mode": "mixed"}, r"weight_mant\[1\] is 255, .* -256 to 254"),
        ("projection", {"sign_mode": "mixed", "weight_mant": [1, 2, 0]}, "must be even"),
        ("projection", {"sign_mode": "both"}, "sign_mode is 'both', allowed are"),
        ("projection", {"delay": [0, 63, 0]}, r"delay\[1\] is 63, .* 0 to 62"),
        ("projection", {"delay": [-1, 0, 0]}, r"delay\[0\] is -1"),
        ("projection", {"weight_exp": 8}, "weight_exp is 8, allowed are the integers -8 to 7"),
        ("projection", {"weight_exp": -9}, "weight_exp is -9"),
        ("projection", {"weight_exp": 0.5}, r"weight_exp is 0\.5"),
        ("projection", {"source_index": [0, 3, 1]}, r"source_index\[1\] is 3, .* 0 to 2"),
        ("projection", {"target_index": [0, 0, 2]}, r"target_index\[2\] is 2, .* 0 to 1"),
        ("projection", {"source_index": [2, 0, 1]}, "sorted by target, source"),
        ("projection", {"source_index": [0, 0, 1]}, "sorted by target, source, without repeats"),
        ("projection", {"delay": [0, 1]}, r"delay has shape \(2,\), expected \(3,\)"),
        ("projection", {"n_source": 0}, "n_source is 0"),
        ("projection", {"n_target": 2.0}, r"n_target is 2\.0"),
        ("readout", {"decay": [5000]}, r"readout: decay\[0\] is 5000, .* 0 to 4096"),
        ("readout", {"bias": [2**23]}, r"readout: bias\[0\] is 8388608"),
        ("readout", {"decay": [], "bias": []}, "readout: has 0 outputs"),
        ("readout", {"scale": -1.0}, r"readout: scale is -1\.0"),
        ("network", {"n_inputs": 0}, "n_inputs is 0"),
        ("network", {"n_inputs": 4}, "'input' has 4 neurons, not 3"),
        ("network", {"populations": ()}, "no such end 'pop'; there are"),
        (
            "network",
            {"populations": (make("population"), make("population"))},
            r"population names must be unique, got \['pop', 'pop'\]",
        ),
        (
            "network",
            {"projections": (make("projection"), make("projection"))},
            "projection names must be unique",
        ),
        ("network", {"projections": (make("projection", source="x"),)}, "no such end 'x'"),
        (
            "network",
            {"projections": (make("projection", target="readout"),)},
            "'readout' has 1 neurons, not 2",
        ),
        (
            "network",
            {
                "projections": (make("projection", target="readout"),),
                "readout": make("readout", decay=[1, 1], bias=[0, 0]),
            },
            "the readout takes spikes of populations, undelayed",
        ),
    ],
)
def test_a_bad_value_is_refused_with_object_value_and_limit(kind, changes, words):
    with pytest.raises(NetworkError, match=words) as caught:
        make(kind, **changes)
    assert "\n" not in str(caught.value)


def test_the_unchanged_parts_are_accepted():
    network = make("network")
    assert network.n_synapses == 3
    assert network.into("pop") == network.projections
    assert network.projections[0].max_delay == 62
    assert network.populations[0].adaptive


def test_arrays_are_read_only_copies_of_32_bit():
    given = np.array([5, 6], np.int64)
    population = make("population", vth_mant=given)
    given[0] = 77
    assert population.vth_mant.tolist() == [5, 6]
    assert population.vth_mant.dtype == np.int32
    for part in (population, make("projection"), make("readout")):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = 0


def test_fields_can_not_be_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("population").n_ref = 7


def test_numpy_integers_become_plain_ones():
    population = make("population", n_ref=np.int64(3))
    assert type(population.n_ref) is int


def test_random_networks_are_valid_and_reproducible():
    one, two = random_network(3), random_network(3)
    assert [p.weight_mant.tolist() for p in one.projections] == [
        p.weight_mant.tolist() for p in two.projections
    ]
