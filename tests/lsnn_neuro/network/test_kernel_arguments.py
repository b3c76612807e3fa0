"""The extension refuses arguments that are no network, and never crashes."""

import numpy as np
import pytest

from lsnn_neuro.network import kernel

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

N, IN, OUT, DELAY = 3, 2, 2, 4


def arguments():
    """Arguments of forward_float that are right."""
    f, i = np.float32, np.int32

    def synapses(sources, targets):
        return (
            np.array([0] + [1] * sources),
            np.array([targets - 1], i),
            np.zeros(1, i),
            np.ones(1, f),
        )

    neurons = (*(np.full(N, c, f) for c in (0.9, 0.9, 0.1, 0.1)), np.full(OUT, 0.9, f), np.ones(N, f),
               np.ones(N, i), np.zeros(N, np.uint8), np.full(N, 0.5, f), np.full(N, 0.5, f),
               np.arange(N, dtype=np.uint8))  # fmt: skip
    return {
        "x": np.ones((5, 2, IN), np.uint8), "neurons": neurons, "input": synapses(IN, N),
        "recurrent": synapses(N, N), "readout": synapses(N, OUT), "n": N, "outputs": OUT,
        "max_delay": DELAY, "keep": 3, "compact": True, "threads": 1,
    }  # fmt: skip


def test_good_arguments_are_taken():
    kernel.native.forward_float(**arguments())


def at(index, value):
    """Replace an item of a tuple."""
    return lambda old: (*old[:index], value, *old[index + 1 :])


I32, F32 = np.int32, np.float32
BAD = {
    "x of another type": ("x", lambda x: x.astype(float)),
    "x of two dimensions": ("x", lambda x: x[0]),
    "x without steps": ("x", lambda x: x[:0]),
    "x not contiguous": ("x", lambda x: x[:, :, ::-1]),
    "x with more inputs than synapses know": ("x", lambda x: np.ones((5, 2, IN + 1), np.uint8)),
    "too few neurons": ("n", lambda n: n - 1),
    "negative neurons": ("n", lambda n: -1),
    "too many outputs": ("outputs", lambda n: n + 1),
    "delay beyond 62": ("max_delay", lambda d: 63),
    "negative longest delay": ("max_delay", lambda d: -1),
    "short alpha": ("neurons", at(0, np.ones(N - 1, F32))),
    "alpha of another type": ("neurons", at(0, np.ones(N))),
    "short kappa": ("neurons", at(4, np.ones(OUT - 1, F32))),
    "negative refractory steps": ("neurons", at(6, np.full(N, -1, I32))),
    "too many refractory steps": ("neurons", at(6, np.full(N, 64, I32))),
    "short decay of the current": ("neurons", at(8, np.ones(N - 1, F32))),
    "decay of refractoriness of another type": ("neurons", at(9, np.ones(N))),
    "short kinds": ("neurons", at(10, np.zeros(N - 1, np.uint8))),
    "an unknown kind of neuron": ("neurons", at(10, np.full(N, 3, np.uint8))),
    "a neuron array missing": ("neurons", lambda old: old[:-1]),
    "a synapse array missing": ("input", lambda old: old[:-1]),
    "target out of range": ("recurrent", at(1, np.array([N], I32))),
    "negative target": ("recurrent", at(1, np.array([-1], I32))),
    "delay out of range": ("input", at(2, np.array([DELAY + 1], I32))),
    "negative delay": ("input", at(2, np.array([-1], I32))),
    "delayed readout": ("readout", at(2, np.array([1], I32))),
    "start that falls": ("recurrent", at(0, np.array([0, 2, 1, 1]))),
    "start beyond the end": ("recurrent", at(0, np.array([0, 1, 1, 2]))),
    "start not from 0": ("recurrent", at(0, np.array([1, 1, 1, 1]))),
    "start of another type": ("recurrent", at(0, np.array([0, 1, 1, 1], I32))),
    "weights of another type": ("input", at(3, np.ones(1))),
    "weights of another length": ("input", at(3, np.ones(2, F32))),
    "None for an array": ("input", at(3, None)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_raise_and_do_not_crash(name):
    key, change = BAD[name]
    good = arguments()
    with pytest.raises((ValueError, TypeError)):
        kernel.native.forward_float(**good | {key: change(good[key])})


def backward_arguments():
    good = arguments()
    kept = kernel.native.forward_float(**good)[1:]
    for name in ("keep", "compact"):
        del good[name]
    gradients = {"grad_readout": np.ones((5, OUT, 1, 16), F32), "grad_rate": np.ones(N, F32)}
    return good | gradients | {"kept": kept, "gamma": 0.3, "neurons_learn": True}


BAD_BACKWARD = {
    "gradient of another size": ("grad_readout", lambda g: g[:-1].copy()),
    "gradient of another type": ("grad_readout", lambda g: g.astype(float)),
    "rate of another size": ("grad_rate", lambda g: g[:-1].copy()),
    "spikes not kept": ("kept", at(0, None)),
    "distance not kept": ("kept", at(1, None)),
    "distance of another type": ("kept", lambda old: at(1, old[1].astype(np.int8))(old)),
    "distance of another size": ("kept", lambda old: at(1, old[1][:, :-1].copy())(old)),
    "distance not contiguous": ("kept", lambda old: at(1, old[1][..., ::-1])(old)),
    "adaptation not kept": ("kept", at(2, None)),
    "membrane not kept": ("kept", at(3, None)),
    "a kept array missing": ("kept", lambda old: old[:1]),
    "another run's inputs": ("x", lambda x: np.ones((6, 2, IN), np.uint8)),
}


@pytest.mark.parametrize("name", BAD_BACKWARD)
def test_bad_arguments_of_backward_raise_and_do_not_crash(name):
    key, change = BAD_BACKWARD[name]
    good = backward_arguments()
    kernel.native.backward(**good)
    with pytest.raises((ValueError, TypeError)):
        kernel.native.backward(**good | {key: change(good[key])})
