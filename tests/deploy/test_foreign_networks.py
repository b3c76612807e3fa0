"""Six frameworks' networks, read from their files, spike as the frameworks themselves recorded it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_networks import EXACT, FOREIGN, META, SEVERAL, TOLD, needs_foreign, recorded
from same import differences

import deploy
from deploy.imported import Imported
from deploy.interchange.netx import read as read_slayer
from deploy.interchange.nir import read
from deploy.interchange.real_inputs import measure, rounded_events, scale_of
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.double import run_in_double
from quantize.emulator import emulate

pytestmark = needs_foreign


def imported(name: str, **more: Any) -> Imported:
    return read(FOREIGN / f"{name}.nir", META[name]["framework"], **TOLD.get(name, {}), **more)


def run_longer(found: Imported, inputs: Any, **more: Any) -> Any:
    """Run in double, with as many silent steps more as the last layer lags."""
    late = max(layer.lag for layer in found.layers)
    silent = np.zeros((late, *inputs.shape[1:]))
    return run_in_double(found.spec, np.concatenate([inputs, silent]), **more)


def of_ours(name: str, found: Imported, **more: Any) -> dict[str, Any]:
    """What the network does in the framework's time, by the keys of the framework's recording.

    The float network in double; the integers where it came in as integers.
    """
    inputs = recorded(name)["inputs"]
    if found.spec is None:
        record = emulate(found.network, inputs.astype(np.int8))
        spikes = {p.name: p.spikes for p in record.spikes}
        readout = found.network.to_float(record.readout)
    else:
        spikes, readout = run_longer(found, inputs / found.input_scale, **more)
    layers = {layer.node: layer for layer in found.layers}
    keys = {f"spikes_{key}": of["nir"] for key, of in META[name]["layers"].items()}
    if "readout_node" in META[name]:
        keys["readout"] = META[name]["readout_node"]
    ours = {}
    for key, node in keys.items():
        layer = layers[node.removeprefix("layer/")]  # so slayer's are called
        ours[key] = layer.in_time(spikes.get(layer.population, readout), len(inputs))
    return ours


def compare(name: str, found: Imported, **more: Any) -> tuple[int, int, float]:
    """Spikes of the framework, how many cells differ, and how far its readout is off."""
    theirs, differ, total, off = recorded(name), 0, 0, 0.0
    for key, ours in of_ours(name, found, **more).items():
        if key == "readout":
            off = float(np.abs(ours - theirs[key]).max() / np.abs(theirs[key]).max())
        else:
            differ += int((ours != theirs[key]).sum())
            total += int(theirs[key].sum())
    return total, differ, off


@pytest.mark.parametrize("name", EXACT)
def test_spikes_are_the_frameworks_own_in_double_precision(name: str) -> None:
    total, differ, off = compare(name, imported(name))
    assert total > 1900
    assert differ == 0
    assert off < 2e-6


def test_the_scorer_that_came_with_them_finds_no_mismatch(tmp_path: Path) -> None:
    """score.py itself, on what our networks do; those with several spikes a step give it nothing."""
    several = {name for name in META if META[name]["multi_spike"]}
    assert several == set(SEVERAL)
    for name in META:
        if name in several:
            with pytest.raises(NetworkError, match="--one-spike"):
                imported(name)
            continue
        file = FOREIGN / META[name]["file"]
        found = imported(name) if file.suffix == ".nir" else read_slayer(file)
        np.savez(tmp_path / f"{name}.npz", **of_ours(name, found))
    done = subprocess.run(
        [sys.executable, FOREIGN / "score.py", FOREIGN, tmp_path],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    table = done.stdout.split("\nnetwork ")[1].split("\n\n")[0].splitlines()[1:]
    scored = {line.split()[0]: line for line in table}
    assert scored.keys() == META.keys()
    assert {name for name, line in scored.items() if "NO OUTPUT" in line} == several
    for name in META.keys() - several:
        spikes = sum(META[name]["spikes"].values())
        found_there = re.fullmatch(
            rf"{name} +[\w -]+? +{spikes} +0 +0\.00%  \[0(?:, 0)*\] *((\S+) of max \(shift 0\))? *",
            scored[name],
        )
        assert found_there, scored[name]
        assert (found_there[2] is None) == ("readout_node" not in META[name])
        assert float(found_there[2] or 0) < 2e-6
    assert re.search(r"^all +19 networks, exact  17,", done.stdout, re.M)


def test_all_given_nir_networks_are_in_one_of_the_lists() -> None:
    assert {n for n in META if META[n]["file"].endswith(".nir")} == {*EXACT, *SEVERAL}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_spikes_a_step_are_refused_and_on_request_taken_as_one(name: str) -> None:
    with pytest.raises(NetworkError, match="--one-spike"):
        imported(name)
    found = imported(name, one_spike=True)
    assert compare(name, found, several=True)[1] == 0  # the very spikes that are lost are known
    assert compare(name, found)[1] > 0
    lines = list(measure(found, recorded(name)["inputs"].astype(float), several=True))
    differ = [int(line.split()[-5]) for line in lines if "% of the rate is lost" in line]
    assert max(differ) > 10
    assert any("up to 1 spikes a step" not in line for line in lines)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sinabs_lif_tau_syn", "layer '1': sinabs files lose the time constant of its synaptic current"),
        ("snn_graded_readout_none", "layer 'out': snntorch writes a readout that never spikes"),
        ("rp_lif_cuba", "layer '1_LIFTorch': rockpool files lose the recurrent weights"),
    ],
)  # fmt: skip
def test_what_a_file_has_lost_is_a_warning_that_names_the_layer_and_the_option(
    name: str, said: str
) -> None:
    told = {k: v for k, v in TOLD[name].items() if k != "put"}
    notes = read(FOREIGN / f"{name}.nir", META[name]["framework"], **told).notes
    (line,) = [note for note in notes if note.startswith(said)]
    assert "--put " in line


def test_without_what_was_lost_the_spikes_are_others() -> None:
    told = {"one_spike": True, "reset": "zero"}
    found = read(FOREIGN / "sinabs_lif_tau_syn.nir", "sinabs", **told)
    assert compare("sinabs_lif_tau_syn", found)[1] > 1000


@pytest.mark.parametrize("name", [*EXACT, *SEVERAL])
def test_parity_is_exact_with_the_source_and_from_training_to_the_emulator(name: str) -> None:
    inputs = recorded(name)["inputs"].astype(float)
    scale = scale_of(inputs)
    largest = int(np.abs(rounded_events(inputs, scale)).max())
    more = {"one_spike": True} if name in SEVERAL else {}
    found = imported(name, input_scale=scale, largest_event=largest, **more)
    model = deploy.Model(network=found.network, imported=found)
    report = deploy.parity(model, source=FOREIGN / f"{name}.npz")
    assert report.failed == (["source"] if name in SEVERAL else [])
    assert report.levels["P1"].spikes > 1000
    source, rates = report.levels["source"], report.levels["P0"]
    assert source.spikes > 1000
    assert abs(rates.other_spikes / rates.spikes - 1) < 0.02


@pytest.mark.parametrize("name", [*EXACT, *SEVERAL])
def test_a_file_of_it_is_read_back_equal(name: str, tmp_path: Any) -> None:
    found = imported(name, **({"one_spike": True} if name in SEVERAL else {}))
    found.save(tmp_path / "a")
    again = Imported.load(tmp_path / "a")
    assert differences(found.network, again.network) == []
    assert differences(found.spec, again.spec) == []
    assert (again.reading, again.layers, again.notes) == (found.reading, found.layers, found.notes)


@pytest.mark.parametrize(
    ("name", "author"),
    [
        ("snn_ff_subtract_bias", "snntorch"), ("snn_rsynaptic_subtract", "snntorch"),
        ("norse_lif_cuba", "norse"), ("norse_box_dt1_bias_li", "norse"), ("rp_lif_cuba", "rockpool"),
        ("sinabs_lif_nonorm_li", "sinabs"), ("sj_if_ties", "spikingjelly"),
    ],
)  # fmt: skip
def test_the_author_is_guessed_where_names_and_constants_give_it_away(
    name: str, author: str
) -> None:
    found = read(FOREIGN / f"{name}.nir", **TOLD.get(name, {}))
    assert found.reading["dialect"] == author
    assert found.notes[0].startswith(f"read as a file of {author}: ")


@pytest.mark.parametrize("name", ["sinabs_iaf_conv_multi", "sj_skip_sum"])
def test_where_two_could_have_written_it_nothing_is_guessed(name: str) -> None:
    with pytest.raises(NetworkError, match=r"no file says who wrote it.*--from snntorch\|norse"):
        read(FOREIGN / f"{name}.nir", one_spike=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EXACT, *SEVERAL])
def test_lava_computes_the_emulators_spikes(name: str) -> None:
    """P2, on some steps of every network."""
    more = {"one_spike": True} if name in SEVERAL else {}
    inputs = recorded(name)["inputs"].astype(float)[:100, :1]
    scale = scale_of(recorded(name)["inputs"].astype(float))
    events = rounded_events(inputs, scale)
    found = imported(name, input_scale=scale, largest_event=int(np.abs(events).max()), **more)
    report = deploy.parity(found.network, deploy.LoihiSim(), inputs=events)
    assert report.levels["P2"].exact
    assert report.levels["P2"].spikes > 50
