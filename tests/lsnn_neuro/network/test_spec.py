"""The float description of a network refuses what is none, and can't be changed."""

import dataclasses
import json

import numpy as np
import pytest
from random_specs import random_spec
from same import differences

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.network.spec_file import pack, unpack
from lsnn_neuro.registry import NEURONS

ONE = {"tau_m": 20.0, "b0": 1.0}
PROJECTION = {
    "source": "input", "target": "pop", "source_index": [0, 2, 1], "target_index": [0, 0, 1],
    "weight": [1.0, -2.0, 3.0], "delay": [0, 62, 1],
}  # fmt: skip


def lif(n=2, name="pop", **fields):
    return Population(name=name, neuron=NEURONS["lif"].of(n, 1.0, **ONE), **fields)


def readout(n=1, name="readout", **fields):
    return Population(name=name, neuron=NEURONS["li"].of(n, 1.0, tau_out=20.0), **fields)


def projection(**changes):
    return Projection(**(PROJECTION | changes))


def network(**changes):
    parts = {"n_inputs": 3, "populations": (lif(), readout()), "projections": (projection(),)}
    return NetworkSpec(**(parts | changes))


def alone(**changes):
    """A network of one projection."""
    return network(projections=(projection(**changes),))


MAKE = {"population": lif, "readout": readout, "projection": projection, "network": network,
        "alone": alone}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("population", {"kappa_i": [0.5, 1.0]}, "'pop': kappa_i is 1, must lie in 0 to below 1"),
        ("population", {"kappa_i": -0.1}, "'pop': kappa_i .* must lie in 0 to below 1"),
        ("population", {"bias": [1.0]}, r"'pop': bias has shape \(1,\), expected \(2,\)"),
        ("population", {"bias": [1.0, np.nan]}, r"'pop': bias\[1\] is nan, expected a finite number"),
        ("population", {"offset": 0.5}, "'pop': only readouts have an offset"),
        ("population", {"learn": ("tau_a",)}, "learn names 'tau_a', allowed are tau_m, b0, bias, tau_i"),
        ("readout", {"learn": ("b0",)}, "learn names 'b0', allowed are tau_out, bias, tau_i, offset"),
        ("projection", {"weight": [1.0, 0.0, 3.0]}, r"'input->pop': weight\[1\] is 0; leave"),
        ("projection", {"weight": [1.0, np.inf, 3.0]}, r"weight\[1\] is inf"),
        ("projection", {"weight": [1.0, 2.0]}, r"source_index has shape \(3,\), expected \(2,\)"),
        ("projection", {"delay": [0, 63, 1]}, r"'input->pop': delay\[1\] is 63, allowed are 0 to 62"),
        ("projection", {"delay": -1}, r"delay\[0\] is -1"),
        ("projection", {"delay": [0, 0.5, 1]}, "delay has type float64, expected integers"),
        ("projection", {"source_index": [-1, 2, 1]}, r"source_index\[0\] is -1"),
        ("projection", {"source_index": [0, 0, 1]}, "two synapses from 0 to 0; give one with the sum"),
        ("projection", {"max_delay": 61}, r"max_delay is 61, must lie in 62 \(its longest delay\)"),
        ("projection", {"max_delay": 63}, "max_delay is 63, must lie in 62 .* to 62"),
        ("projection", {"excitatory": 1.5}, r"excitatory is 1\.5, must lie in 0 to 1"),
        ("projection", {"signs": "dale"}, "signs is 'dale', allowed are 'free', 'unconstrained'"),
        ("projection", {"signs": [1, 0, -1]}, r"signs must be \+1 or -1 for each source"),
        ("projection", {"signs": [1, 1]}, "signs has 2 entries, too few"),
        ("projection", {"signs": [1, 1, 1]}, "source 2 has sign 1 and a synapse of weight -2"),
        (
            "projection",
            {"source": "pop", "autapses": False},
            "neuron 0 has a synapse onto itself, and autapses is False",
        ),
        ("network", {"n_inputs": -1}, "n_inputs is -1, must be at least 0"),
        ("network", {"n_inputs": 2}, "'input->pop': source_index reaches 2, 'input' has 2"),
        ("network", {"dt": 0.0}, r"dt is 0\.0 ms, must be finite and above 0"),
        ("network", {"dt": np.nan}, "dt is nan"),
        ("network", {"populations": ()}, "has no population"),
        ("network", {"populations": (lif(1), readout())}, "target_index reaches 1, 'pop' has 1"),
        ("network", {"populations": (lif(), lif())}, r"must be unique, got \['pop', 'pop'\]"),
        ("network", {"populations": (lif(name="input"), readout())}, "'input' is reserved"),
        ("network", {"populations": (lif(name="a>b"), readout())}, "'a>b' is reserved or holds"),
        ("network", {"populations": (lif(),)}, "no outputs; name a population to be read"),
        ("network", {"outputs": ("x",)}, "output 'x' is no population"),
        ("network", {"projections": (projection(), projection())}, "'input->pop' occurs twice"),
        ("alone", {"target": "x"}, "no such end 'x'; there are"),
        ("alone", {"source": "readout"}, r"no such end 'readout'.*no outgoing projections"),
        ("alone", {"signs": [1, 1, -1, 1]}, "signs has 4 entries, 'input' has 3"),
        ("network", {"feedback": np.zeros((2, 2))}, r"feedback has shape \(2, 2\), .* \(1, 2\)"),
        (
            "network",
            {"projections": (projection(group="g"), projection(name="b", group="g", plastic=False))},
            "group 'g': some of its projections are plastic, some not",
        ),
        (
            "network",
            {"projections": (projection(group="g"), projection(name="b", group="g", signs="unconstrained"))},
            "group 'g': unconstrained and signed synapses in one group",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_object_value_and_limit(part, changes, words):
    with pytest.raises(NetworkError, match=words) as caught:
        MAKE[part](**changes)
    assert "\n" not in str(caught.value)


def test_the_unchanged_parts_are_accepted():
    spec = network()
    assert spec.outputs == ("readout",)
    assert (spec.n_synapses, spec.n_neurons, spec.n_outputs) == (3, 2, 1)
    assert spec.groups == ("input->pop",)
    (p,) = spec.projections
    assert (p.name, p.group, p.reach, p.dale, p.unconstrained) == (
        "input->pop",
        "input->pop",
        62,
        False,
        False,
    )
    assert not spec.population("pop").has_current
    assert lif(kappa_i=0.5).has_current
    assert lif(learn=("tau_i",)).has_current


def test_synapses_are_sorted_by_target_then_source():
    p = projection(
        source_index=[1, 2, 0], target_index=[1, 0, 0], weight=[3.0, -2.0, 1.0], delay=[1, 62, 0]
    )
    assert differences(p, projection()) == []


def test_a_matrix_gives_its_entries_that_are_not_zero():
    p = Projection.of_matrix(
        "input", "pop", np.array([[1.0, 0, -2], [0, 3, 0]]), delay=[[0, 9, 62], [9, 1, 9]]
    )
    assert differences(p, projection()) == []


def test_arrays_are_read_only_copies():
    weight = np.array([1.0, -2.0, 3.0])
    p, population = projection(weight=weight, signs=[1, 1, -1]), lif(bias=np.array([1.0, 2.0]))
    weight[0] = 7
    assert p.weight.tolist() == [1, -2, 3]
    for part in (p, population):
        for f in dataclasses.fields(part):
            value = getattr(part, f.name)
            if isinstance(value, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.weight = weight


def test_what_is_learnt_is_named_once_and_in_order():
    assert lif(learn=("tau_m", "b0", "tau_m")).learn == ("b0", "tau_m")


@pytest.mark.parametrize("seed", range(30))
def test_json_and_arrays_and_back_is_the_same_network(seed):
    spec = random_spec(seed)
    if seed % 3 == 0:
        shape = sum(p.size for p in spec.readouts), spec.n_neurons
        spec = dataclasses.replace(spec, feedback=np.random.default_rng(seed).normal(size=shape))
    header, arrays = pack(spec)
    assert all(array.dtype != object for array in arrays.values())
    assert differences(unpack(json.loads(json.dumps(header)), arrays), spec) == []
