"""The extension itself: what it refuses, and that it is a good citizen of its process."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from random_graphs import random_graph
from random_networks import random_inputs
from random_specs import random_spec

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from quantize.emulator import emulate

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")
ROOT = Path(__file__).parents[3]
F32, I32, I64 = np.float32, np.int32, np.int64
N, OUT, IN, DELAY = 3, 2, 4, 5


def population(dtype=F32, **fields):
    """Arguments of a LIF population of three neurons."""
    columns = {
        "decay_v": np.full(N, 4000 if dtype is I32 else 0.9, dtype),
        "vth": np.full(N, 64, dtype),
        "reset_by": np.zeros(N, dtype),
        "reset_to": np.zeros(N, dtype),
        "width": np.ones(N, dtype),
    }
    columns |= {k: fields.pop(k) for k in columns if k in fields}
    rest = {"decay_i": None, "bias": None, "n_ref": np.zeros(N, I64)}
    options = {"reset": "subtract", "at_threshold": False, "gamma": 0.3}
    return (
        {"neuron": "lif", "size": N, "constants": list(columns.values())} | rest | options | fields
    )


def synapses(dtype=F32, **fields):
    """One synapse from each input, and one from each neuron onto a readout."""
    source = np.arange(IN + N)
    target = np.where(source < IN, source % N, N)
    return {
        "source": source, "target": target, "delay": np.zeros(IN + N, I64),
        "weight": np.ones(IN + N, dtype), "active": None,
    } | fields  # fmt: skip


def network(dtype=F32, populations=None, connected=None, **fields):
    made = (kernel.native.IntegerNetwork if dtype is I32 else kernel.native.FloatNetwork)(IN)
    li = {
        "neuron": "li", "size": OUT, "constants": [np.full(OUT, 1, dtype)], "decay_i": None, "bias": None,
        "n_ref": None, "reset": "subtract", "at_threshold": False, "gamma": 1.0,
    }  # fmt: skip
    for p in populations or (population(dtype, **fields), li):
        made.add_population(**p)
    made.connect(**(connected or synapses(dtype)))
    return made


def misaligned(n):
    """Floats that begin at an odd byte."""
    return np.frombuffer(bytearray(4 * n + 1), np.uint8)[1:].view(F32)


X = np.ones((5, 2, IN), bool)
BAD = {
    "a constant of another type": ({"decay_v": np.ones(N)}, "must be a C-contiguous array of float32"),
    "a short constant": ({"vth": np.ones(N - 1, F32)}, r"neuron 'lif': vth has 2 values, expected 3"),
    "a constant that is no number": ({"vth": np.full(N, np.nan, F32)}, r"vth\[0\] is nan, must be a finite"),
    "negative refractory steps": ({"n_ref": np.array([0, -1, 0])}, r"n_ref\[1\] is -1, must be 0 to 63"),
    "too many refractory steps": ({"n_ref": np.array([0, 64, 0])}, r"n_ref\[1\] is 64, must be 0 to 63"),
    "an unknown neuron": ({"neuron": "adp"}, "has no neuron 'adp'"),
    "an unknown reset": ({"reset": "zero"}, "there is no reset 'zero'"),
    "a constant missing": ({"constants": []}, "'lif' has 5 constants, got 0"),
    "a constant misaligned": ({"vth": misaligned(N)}, "must be a C-contiguous array|is misaligned"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_population_is_refused(name):
    fields, words = BAD[name]
    with pytest.raises((ValueError, TypeError), match=words):
        network(populations=[population(**fields)])


OUT_OF_RANGE = {
    "decay_v": (4097, "must be 0 to 4096"),
    "vth": (2**23, "must be 0 to 8388607"),
    "reset_by": (-(2**23), "must be -8388607 to 8388607"),
    "bias": (2**23, "must be -8388607 to 8388607"),
    "decay_i": (-1, "must be 0 to 4096"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_integers_outside_the_chips_range_are_refused(name):
    value, words = OUT_OF_RANGE[name]
    with pytest.raises(ValueError, match=rf"{name}\[1\] is {value}, {words}"):
        network(I32, [population(I32, **{name: np.array([1, value, 1], I32)})])


BAD_SYNAPSES = {
    "arrays that disagree": ({"delay": np.zeros(6, I64)}, "delay has 6 values, expected 7"),
    "a target that is not there": ({"target": np.full(7, N + OUT)}, "there are 7 sources and 5 targets"),
    "a negative target": ({"target": np.full(7, -1)}, "a synapse from 0 to -1 with delay 0"),
    "a source that is not there": ({"source": np.full(7, 7)}, "a synapse from 7 to 0"),
    "a delay too long": ({"delay": np.full(7, 63)}, "with delay 63: .* delays lie in 0 to 62"),
    "a negative delay": ({"delay": np.full(7, -1)}, "with delay -1"),
    "weights of another type": ({"weight": np.ones(7)}, "weight must be a C-contiguous array of float32"),
    "weights that are no numbers": ({"weight": np.full(7, np.inf, F32)}, "a weight is NaN or infinite"),
    "another type of which are active": ({"active": np.ones(7, I64)}, "active must be .* of bool"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SYNAPSES)
def test_bad_synapses_are_refused(name):
    fields, words = BAD_SYNAPSES[name]
    with pytest.raises(ValueError, match=words):
        network(connected=synapses(**fields)).forward(X)


BAD_INPUTS = {
    "another width": (np.ones((5, 2, IN + 1), bool), "inputs have 5 columns, the network has 4 inputs"),
    "two dimensions": (np.ones((5, IN), bool), "inputs have 2 dimensions"),
    "doubles": (np.ones((5, 2, IN)), "must be a C-contiguous array of bool, int8 or float32"),
    "not contiguous": (np.ones((5, IN, 2), bool).transpose(0, 2, 1), "must be a C-contiguous array"),
    "no steps": (np.ones((0, 2, IN), bool), "hold no step or no sample"),
    "no numbers": (np.full((5, 2, IN), np.nan, F32), "inputs hold NaN or infinity"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_inputs_are_refused(name):
    x, words = BAD_INPUTS[name]
    with pytest.raises(ValueError, match=words):
        network().forward(x)


@pytest.mark.parametrize("x", [np.full((5, 2, IN), 0.5, F32), np.full((5, 2, IN), 128, F32)])
def test_a_network_of_integers_takes_whole_numbers_of_8_bits(x):
    with pytest.raises(ValueError, match="must be whole numbers from -128 to 127"):
        network(I32).forward(x)


def backward(made, kept, **fields):
    options = {
        "tape": kept, "start": None, "past_inputs": None, "past_spikes": None,
        "grad_readout": np.ones((*X.shape[:2], OUT), F32), "grad_rate": np.ones(N, F32),
        "grad_spikes": [], "back": None, "learn": True, "inputs_learn": True,
    }  # fmt: skip
    return made.backward(X, **(options | fields))


def tape(**options):
    made = network()
    return made, dict(made.forward(X, tape="compact", learn=True, **options))


def test_the_tape_says_what_is_held_only_where_a_reset_holds():
    assert "held" not in tape()[1]
    made = network(reset="hold")
    kept = dict(made.forward(X, tape="compact", learn=True))
    backward(made, kept)
    del kept["held"]
    with pytest.raises(ValueError, match="the tape holds no held"):
        backward(made, kept)


BAD_TAPES = {
    "without spikes": ("spikes", None, "the tape holds no spikes"),
    "of other spikes": ("spikes", lambda a: a[:, :-1].copy(), "spikes has 12 values, expected 15"),
    "of another type": ("near", lambda a: a.astype(I64), "near must be .* uint16"),
    "with too many cells": ("n_cells", lambda a: a + 999, "the tape is damaged"),
    "without membranes": ("membrane", None, "the tape holds no membrane"),
}


@pytest.mark.parametrize("name", BAD_TAPES)
def test_a_bad_tape_is_refused(name):
    key, change, words = BAD_TAPES[name]
    made, kept = tape()
    backward(made, kept)
    bad = {k: v for k, v in kept.items() if k != key}
    if change:
        bad[key] = change(kept[key])
    with pytest.raises(ValueError, match=words):
        backward(made, bad)


@pytest.mark.parametrize("name", ["grad_readout", "grad_rate"])
def test_a_gradient_of_another_size_is_refused(name):
    made, kept = tape()
    with pytest.raises(ValueError, match=rf"{name} has 1 values"):
        backward(made, kept, **{name: np.ones(1, F32)})


def test_a_state_of_another_batch_is_refused():
    made = network()
    with pytest.raises(ValueError, match=r"state has .* values, expected"):
        made.forward(X, state=made.rest(17))
    with pytest.raises(ValueError, match="does not belong to this network and batch"):
        made.read_state(made.rest(17), 2)


# --- a good citizen ---------------------------------------------------------------------------------------


ONE_CALL = """
    import sys
    sys.path[:0] = ["tests", "tests/lsnn_neuro/network"]
    import numpy as np
    from test_native import network
    made = network()
    x = np.ones((4_000_000, 40, 4), bool)
    print("ready", flush=True)
    made.forward(x, threads=int(sys.argv[1]))
    print("done", flush=True)
"""


def processor_seconds(pid):
    """Of a running process; unlike time of day it does not depend on what else the machine does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_call_within_a_second(threads):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ONE_CALL), str(threads)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    assert process.poll() is None
    begin = processor_seconds(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert whole - begin < 1  # the interpreter's own end included; the rest of the call takes four
    assert out == ""
    assert err.strip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("n_samples", [1, 3])
def test_a_session_that_was_interrupted_is_over(n_samples):
    """Its state stands in the middle of a step; going on would give wrong answers."""
    net = SpikingNetwork(random_spec(3))
    session = net.session(n_samples)
    x = np.ones((3_000_000, n_samples, net.spec.n_inputs), bool)
    session.step(x[:5])
    with pytest.raises(NetworkError, match="expected") as refused:
        session.step(x[:5, :, :1])
    assert "interrupted" not in str(refused.value)
    session.step(x[:5])
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.step(x)
    with pytest.raises(NetworkError, match="session: a step was interrupted"):
        session.step(x[:5])


def test_other_threads_of_python_run_meanwhile():
    made, x = network(), np.ones((4_000_000, 16, IN), bool)
    ticks, done = 0, threading.Event()

    def call():
        made.forward(x, threads=1)
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not done.wait(0.002):
        ticks += 1
    thread.join()
    assert ticks > 10  # were they held up, there would be one or two


def test_a_signals_handler_may_call_the_kernel_in_the_middle_of_a_call():
    made, x, inside = network(), np.ones((500_000, 48, IN), bool), []
    expected = made.forward(x, threads=2)["readout"].copy()

    def handle(*_):
        inside.append(made.forward(x[:50], threads=2)["readout"].copy())

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        found = made.forward(x, threads=2)["readout"].copy()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    np.testing.assert_array_equal(found, expected)
    assert inside
    for one in inside:
        np.testing.assert_array_equal(one, expected[:50])


def answer(seed):
    net = random_graph(seed, fast=True)
    return emulate(net, random_inputs(seed, net, n_steps=20, n_samples=40)).readout


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_pool_works():
    expected = [answer(seed) for seed in range(4)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(answer, range(4)).get(timeout=60)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_memory_that_is_released_under_a_tape_stays_with_it():
    net = SpikingNetwork(random_spec(3))
    x = torch.from_numpy(random_inputs(3, net.spec, n_steps=30, n_samples=5))

    def gradients(between):
        output = net(x)
        between()
        loss = output.readout.sum() + output.spikes.sum()
        return torch.autograd.grad(
            loss, [p for p in net.parameters() if p.requires_grad], allow_unused=True
        )

    def release():
        kernel.native.release_memory()
        net(x[:7]).spikes.sum()

    for a, b in zip(gradients(lambda: None), gradients(release), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
