"""lava-dl's netx runs our files: the same spikes, or a refusal that says why not."""

import gzip
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import li, neurons, random_inputs
from same import differences
from tiny_runs import succeed, train_tiny

from deploy import Emulator, Netx, get_target
from deploy.interchange.extension import EXTENSION, pack
from deploy.interchange.netx import load, save
from deploy.interchange.netx_weights import rounded_by_netx
from deploy.targets import with_options
from lsnn_neuro.checkpoint import Checkpoint, find_checkpoint
from lsnn_neuro.errors import FileFormatError, NetworkError, RecipeError, TargetUnavailableError
from lsnn_neuro.tasks import make_task
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork, QuantizedProjection

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests" / "frozen" / "files"
N_STEPS = 30
KINDS = ["chain", "layer", "currents", "spikes"]
needs_lava_dl = pytest.mark.skipif(
    find_spec("lava") is None or find_spec("lava.lib") is None,
    reason="lava-dl 0.6.0 is not installed; it exists for Python 3.10 only",
)


def netx_network(seed, *, kind):
    """A random network of LIF populations that netx may be able to run.

    - "chain": two populations, the first with delays, the second recurrent, and a readout
    - "layer": two populations that project to each other and share their constants, and a readout
    - "currents": a chain with synaptic currents, in the readout too, and delays onto that
    - "spikes": a chain whose second population is read
    """
    rng = np.random.default_rng(seed)
    ends = {"input": int(rng.integers(3, 10)), "one": int(rng.integers(2, 9)),
            "two": int(rng.integers(2, 9)), "readout": 3}  # fmt: skip
    shared = int(rng.integers(100, 600)), int(rng.integers(50, 400))

    def current(name):
        return (
            {"decay_i": np.full(ends[name], int(rng.integers(300, 4096)))}
            if kind == "currents"
            else {}
        )

    def population(name):
        decay, vth = shared if kind == "layer" else (rng.integers(100, 600), rng.integers(50, 400))
        return neurons(
            "lif", name, decay_v=np.full(ends[name], int(decay)), vth=64 * int(vth), reset="to",
            scale=2.0**11, **current(name),
        )  # fmt: skip

    def projection(source, target, delays=0):
        connected = rng.random((ends[target], ends[source])) < 0.7
        if source == target:
            np.fill_diagonal(connected, False)
        rows, columns = np.nonzero(connected)
        sign_mode = rng.choice(["excitatory", "inhibitory", "mixed"], p=[0.2, 0.2, 0.6])
        low, high = {"excitatory": (0, 200), "inhibitory": (-100, 0), "mixed": (-80, 120)}[
            sign_mode
        ]
        return QuantizedProjection(
            name=f"{source}->{target}", source=source, target=target,
            n_source=ends[source], n_target=ends[target], source_index=columns, target_index=rows,
            weight_mant=rng.integers(low, high + 1, len(rows)) // 2 * 2,
            delay=rng.integers(0, delays + 1, len(rows)), weight_exp=int(rng.integers(-1, 2)),
            sign_mode=str(sign_mode),
        )  # fmt: skip

    readout = li(
        "readout", np.full(3, int(rng.integers(0, 4097))), offset=np.array([0.5, -1, 1.5]),
        scale=2.0, **current("readout"),
    )  # fmt: skip
    links = [projection("input", "one", delays=7), projection("one", "two")]
    if kind == "currents":
        links.append(projection("two", "readout", delays=5))
    elif kind == "layer":
        links = [projection(a, b) for a in ("input", "one", "two") for b in ("one", "two")]
        links += [projection("one", "readout"), projection("two", "readout")]
    else:
        links += [projection("two", "two"), projection("two", "readout")]
    read = kind != "spikes"
    return QuantizedNetwork(
        n_inputs=ends["input"],
        populations=(population("one"), population("two"), *([readout] if read else [])),
        projections=tuple(p for p in links if read or p.target != "readout"),
        outputs=() if read else ("two",),
    )


def networks_for_netx(folder, count, *, kind, first=0):
    """So many random networks that can be written, and whose populations all spike.

    Gives (name, network, inputs (time, input)) and leaves their files in the folder.
    """
    cases = []
    for seed in range(first, first + 1000):
        network = netx_network(seed, kind=kind)
        inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=1, rate=0.5)
        if any(p.spikes.sum() < 10 for p in emulate(network, inputs).spikes):
            continue
        try:
            save(network, folder / f"{kind}{seed}.net")
        except NetworkError:
            continue
        cases.append((f"{kind}{seed}", network, inputs[:, 0]))
        if len(cases) == count:
            return cases
    raise AssertionError(f"only {len(cases)} of 1000 random networks could be written")


def run_script(name, *arguments, time_limit):
    """Run a script beside this file in a child process; nothing of it survives."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    try:
        output, _ = child.communicate(timeout=time_limit)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert child.returncode == 0, output


def same_on_netx(network, inputs):
    """Check that netx does what the emulator does; gives its record."""
    record, expected = Netx().run(network, inputs), emulate(network, inputs)
    for here, there in zip(record.spikes, expected.spikes, strict=True):
        np.testing.assert_array_equal(here.spikes, there.spikes, err_msg=here.name)
    np.testing.assert_array_equal(record.readout, expected.readout)
    return record


@needs_lava_dl
@pytest.mark.parametrize(("kind", "networks"), [
    ("chain", 1), *[pytest.param(kind, 8, marks=pytest.mark.slow) for kind in KINDS],
])  # fmt: skip
def test_netx_runs_our_files_with_the_emulators_spikes(tmp_path, kind, networks):
    cases = networks_for_netx(tmp_path, networks, kind=kind)
    total = sum(same_on_netx(network, x[:, None]).n_spikes for _, network, x in cases)
    assert total > 25 * networks


@needs_lava_dl
@pytest.mark.slow
def test_netx_takes_inputs_that_carry_numbers(tmp_path):
    (_, network, _), = networks_for_netx(tmp_path, 1, kind="chain")  # fmt: skip
    rng = np.random.default_rng(1)
    inputs = rng.integers(-3, 6, (N_STEPS, 1, network.n_inputs)).astype(np.int8)
    inputs *= rng.random(inputs.shape) < 0.5
    assert same_on_netx(network, inputs).n_spikes > 20


@needs_lava_dl
@pytest.mark.slow
def test_samples_start_from_rest_and_states_are_the_emulators(tmp_path):
    (_, network, inputs), = networks_for_netx(tmp_path, 1, kind="layer")  # fmt: skip
    same_on_netx(network, np.stack([inputs, inputs], axis=1))
    found, expected = (side.states(network, inputs, 7) for side in (Netx(), Emulator()))
    for here, there in zip(found, expected, strict=True):
        assert here.name == there.name
        for name in ("v", "r", "z"):
            found_here, there_too = (getattr(side.variables, name) for side in (here, there))
            np.testing.assert_array_equal(found_here, there_too, err_msg=f"{here.name}/{name}")


@needs_lava_dl
@pytest.mark.slow
def test_netx_runs_some_steps_at_a_time(tmp_path):
    (_, network, inputs), = networks_for_netx(tmp_path, 1, kind="currents")  # fmt: skip
    with Netx().session(network, 1, N_STEPS) as session:
        for first in range(0, N_STEPS, 7):
            session.step(inputs[first : first + 7, None])
        record = session.record()
    np.testing.assert_array_equal(record.readout, emulate(network, inputs[:, None]).readout)


@needs_lava_dl
@pytest.mark.slow
def test_netx_runs_a_network_that_was_trained_here(tmp_path):
    run = train_tiny(
        tmp_path / "run", "network.adaptive=0", "network.regular=30", "network.n_ref=0",
        "network.reset=zero", "network.n_delays=1", "network.recurrent_scale=3.0",
    )  # fmt: skip
    succeed("convert", run, "--to", "netx", "--out", tmp_path / "trained.net")
    succeed("import", "netx", tmp_path / "trained.net", "--out", tmp_path / "t.safetensors")
    recipe = Checkpoint.load(find_checkpoint(run)).recipe
    digits = next(make_task(recipe.task).batches("test", 2)).inputs  # one after the other
    inputs = digits.transpose(1, 0, 2).reshape(-1, digits.shape[2])[:N_STEPS]
    np.save(tmp_path / "x.npy", inputs[:, None])
    done = succeed(
        "parity", tmp_path / "t.safetensors", "--target", "netx", "--inputs", tmp_path / "x.npy",
        "--json",
    )  # fmt: skip
    found = json.loads(done.output[done.output.index("{") :])
    assert found["P2"]["exact"]
    assert found["P2"]["spikes"] > 25


def test_the_target_refuses_what_netx_would_not_run(tmp_path):
    inputs = np.ones((3, 1, 2), bool)
    reason = Netx().unavailable()
    if reason:
        with pytest.raises(TargetUnavailableError, match="target 'netx': lava-dl is not installed"):
            Netx().run(simple(), inputs)
        return
    with pytest.raises(NetworkError, match="population 'a': netx can't run it: its n_ref is 3"):
        Netx().run(simple(n_ref=3), inputs)
    with pytest.raises(RecipeError, match="netx option time_limit is 0"):
        with_options(Netx(), ["time_limit=0"])


def test_without_lava_dl_the_target_says_so(monkeypatch):
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "lava.lib.dl" else object()
    )
    assert get_target("netx").unavailable() == (
        "lava-dl is not installed; install lava-dl==0.6.0, which declares Python 3.10 only"
    )
    with pytest.raises(TargetUnavailableError, match="target 'netx': lava-dl is not installed"):
        Netx().run(simple(), np.ones((3, 1, 2), bool))


@needs_lava_dl
def test_what_becomes_of_weights_is_known(tmp_path):
    for seed in range(400):
        rng = np.random.default_rng(seed)
        low, high = rng.choice([(0, 255), (-256, -1), (-256, 0), (-128, 254), (-100, 100)])
        grid = rng.choice([1, 2, 16, 128])
        parts = {}
        for index, columns in enumerate(rng.integers(1, 5, 1 + seed % 2)):
            edge = rng.choice([low, 0, high, 1], (3, columns))
            drawn = np.where(rng.random((3, columns)) < 0.3, edge, rng.integers(low, high + 1))
            parts[f"part{index}"] = (drawn * (rng.random((3, columns)) < 0.9)) // grid * grid
        if seed % 4 == 1:
            parts["part1"] = np.abs(parts["part1"]) % 255  # without both signs, beside one with
        if not np.hstack(list(parts.values())).any():
            parts["part0"][0, 0] = 1
        np.savez(tmp_path / f"{seed}.npz", **parts)
    run_script("netx_weights.py", tmp_path, time_limit=280)
    altered = 0
    for seed in range(400):
        given, used = np.load(tmp_path / f"{seed}.npz"), np.load(tmp_path / f"{seed}.used.npz")
        parts = [given[name] for name in sorted(given.files)]
        for part, expected, name in zip(
            parts, rounded_by_netx(parts), sorted(used.files), strict=True
        ):
            np.testing.assert_array_equal(used[name], expected, err_msg=f"{seed} {name}")
            altered += bool((part != expected).any())
    assert 10 < altered < 300


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(KINDS))
def test_round_trip_gives_an_equal_network(seed, kind, tmp_path_factory):
    network = netx_network(seed, kind=kind)
    file = tmp_path_factory.mktemp("netx") / "a.net"
    try:
        save(network, file)
    except NetworkError:
        assume(False)
    np.testing.assert_array_equal(pack(load(file)), pack(network))


@pytest.mark.parametrize("kind", ["chain", "currents", "spikes"])
@pytest.mark.parametrize("seed", range(3))
def test_the_layers_alone_are_the_same_network(tmp_path, seed, kind):
    name, network, inputs = networks_for_netx(tmp_path, 1, kind=kind, first=1000 * seed)[0]
    file = tmp_path / f"{name}.net"
    with h5py.File(file, "r+") as opened:
        del opened[EXTENSION]
    foreign = load(file)
    one, two = emulate(network, inputs[:, None]), emulate(foreign, inputs[:, None])
    for a, b in zip(one.spikes, two.spikes, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes)
    np.testing.assert_array_equal(one.readout, two.readout)


def simple(**changes):
    """Two inputs, two LIF neurons, one readout; ``changes`` are fields of its parts."""
    population = {
        "kind": "lif",
        "decay_v": np.full(2, 300),
        "vth": np.full(2, 9 * 64),
        "reset": "to",
    }
    synapses = {"weight_mant": np.array([2, 4, 6]), "delay": np.zeros(3, int), "weight_exp": 0,
                "sign_mode": "excitatory"}  # fmt: skip
    recurrent, outputs = changes.pop("recurrent", False), changes.pop("outputs", ())
    synapses |= {k: changes.pop(k) for k in synapses.keys() & changes.keys()}
    population |= changes
    links = [
        QuantizedProjection(
            name="input->a", source="input", target="a", n_source=2, n_target=2,
            source_index=np.array([0, 1, 1]), target_index=np.array([0, 0, 1]), **synapses,
        ),
        QuantizedProjection(
            name="a->readout", source="a", target="readout", n_source=2, n_target=1,
            source_index=np.array([0]), target_index=np.array([0]), weight_mant=np.array([8]),
            delay=np.array([0]), weight_exp=0, sign_mode="excitatory",
        ),
    ]  # fmt: skip
    if recurrent:
        two = {"weight_mant": synapses["weight_mant"][:2], "delay": np.zeros(2, int)}
        links.append(
            QuantizedProjection(
                name="a->a", source="a", target="a", n_source=2, n_target=2,
                source_index=np.array([1, 0]), target_index=np.array([0, 1]), **synapses | two,
            )
        )  # fmt: skip
    return QuantizedNetwork(
        n_inputs=2,
        populations=(neurons(name="a", **population), li("readout", np.array([20]))),
        projections=tuple(links),
        outputs=outputs,
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "alif", "step_a": np.array([0, 1])},
         "population 'a': netx can't run it: its neurons are 'alif'"),
        ({"bias": np.array([0, 64])}, "population 'a': netx can't run it: its bias is up to 64"),
        ({"outputs": ("a", "readout")}, "its outputs are a, readout; netx gives those of the last"),
        ({"n_ref": 3}, "its n_ref is 3"),
        ({"reset": "subtract"}, "its reset is 'subtract'"),
        ({"reset": "hold", "n_ref": 1}, "its reset is 'hold'"),
        ({"vth": 64 * np.array([9, 10])}, "vth runs from 576 to 640"),
        ({"weight_mant": np.array([2, 4, 200]), "weight_exp": 1}, "a weight is 400"),
        ({"weight_mant": np.array([2, 4, 3]), "weight_exp": -1}, r"weight 3 * 2^-1 is no integer"),
        ({"weight_mant": np.array([-2, -4, -128]), "sign_mode": "inhibitory"},
         "a weight is -128, netx would run it as -127"),
        ({"weight_mant": np.array([0, 0, 0])}, "no weight is other than 0"),
        ({"delay": np.array([0, 5, 0]), "recurrent": True}, "delays up to 5"),
    ],
)  # fmt: skip
def test_what_netx_would_not_run_exactly_is_refused_by_name_and_value(tmp_path, changes, named):
    save(simple(), tmp_path / "plain.net")
    with pytest.raises(NetworkError) as caught:
        save(simple(**changes), tmp_path / "a.net")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.net").exists()


def test_populations_and_readouts_that_share_no_constants_are_refused(tmp_path):
    network = netx_network(0, kind="layer")
    one, two, readout = network.populations
    other = replace(two, constants=replace(two.constants, vth=two.vth + 64))
    with pytest.raises(NetworkError, match=r"'two': vThMant is \d+, that of 'one' is \d+"):
        save(replace(network, populations=(one, other, readout)), tmp_path / "a.net")
    uneven = replace(readout, constants=replace(readout.constants, decay_v=np.array([1, 2, 3])))
    with pytest.raises(NetworkError, match="'readout': vDecay is 2, that of 'readout' is 1"):
        save(replace(network, populations=(one, two, uneven)), tmp_path / "a.net")


def test_inputs_that_a_readout_hears_are_refused(tmp_path):
    network = simple()
    first, last = network.projections
    direct = replace(first, name="direct", target="readout", n_target=1, source_index=np.array([0]),
                     target_index=np.array([0]), weight_mant=np.array([8]), delay=np.array([0]))  # fmt: skip
    with pytest.raises(NetworkError, match="'direct': 'readout' receives inputs"):
        save(replace(network, projections=(first, last, direct)), tmp_path / "a.net")


def test_a_file_of_release_0_1_holds_the_network_that_it_held(tmp_path):
    file = tmp_path / "lif.net"
    file.write_bytes(gzip.decompress((FROZEN / "interchange" / "lif.net.gz").read_bytes()))
    network = load(file)
    assert len(network.spiking) == len(network.readouts) == 1
    inputs = np.random.default_rng(0).random((150, 20, network.n_inputs)) < 0.05
    found = json.loads((FROZEN / "digests.json").read_text())["networks"]["interchange/lif.net.gz"]
    record = emulate(network, inputs)
    assert record.spikes[0].spikes.sum() == found["emulator"]["spikes"]["regular"]["count"]
    digest = hashlib.sha256(record.readout.astype("<i4").tobytes()).hexdigest()[:16]
    assert digest == found["emulator"]["readout"]
    save(network, file)
    assert differences(load(file), network) == []


@pytest.mark.parametrize("field", ["layer/0/weight", "layer/0/neuron/vThMant"])
def test_layers_changed_after_the_export_are_refused(tmp_path, field):
    save(simple(), tmp_path / "a.net")
    with h5py.File(tmp_path / "a.net", "r+") as file:
        file[field][...] = file[field][()] + 2
    with pytest.raises(FileFormatError, match=f"{field} was changed since the export"):
        load(tmp_path / "a.net")


def test_other_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FileFormatError, match="not a readable HDF5 file"):
        load(tmp_path / "text")
    with h5py.File(tmp_path / "empty", "w"):
        pass
    with pytest.raises(FileFormatError, match="has no dense layer"):
        load(tmp_path / "empty")
