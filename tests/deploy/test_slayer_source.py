"""What slayer itself recorded against our integers, and what else its files may need to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_networks import FOREIGN, META, needs_foreign
from foreign_networks import recorded as recorded_there
from same import differences
from slayer_files import NEVER, USUAL, write
from tiny_runs import lsnn_neuro, said, succeed

import deploy
from deploy.imported import Imported
from deploy.interchange.netx import read
from lsnn_neuro import load_recipe
from lsnn_neuro.errors import DataError, NetworkError
from quantize.conversion import convert
from quantize.imported import start_overrides

SLAYER = sorted(name for name in META if META[name]["file"].endswith(".net"))


def imported(file: Path, out: Path) -> Path:
    succeed("import", "netx", file, "--out", out)
    return out


def save(file: Path, arrays: dict[str, Any]) -> Path:
    np.savez(file, **arrays)
    return file


@needs_foreign
def test_there_are_networks_of_slayer_to_compare_with() -> None:
    assert len(SLAYER) == 3


@pytest.mark.parametrize("name", SLAYER)
def test_slayers_own_spikes_are_the_emulators_and_one_changed_spike_is_found(
    name: str, tmp_path: Path
) -> None:
    network = imported(FOREIGN / f"{name}.net", tmp_path / "a.safetensors")
    out = succeed("parity", network, "--source", FOREIGN / f"{name}.npz").output
    spikes = sum(META[name]["spikes"].values())
    assert (
        f"source: its own framework against emulator: exact, 0 spikes differ, of {spikes} and {spikes}"
        in out
    )
    with np.load(FOREIGN / f"{name}.npz") as found:
        arrays = {key: found[key] for key in found.files}
    arrays["spikes_0"][7, 1, 3] ^= 1
    result = lsnn_neuro("parity", network, "--source", save(tmp_path / "r.npz", arrays))
    assert result.exit_code == 1
    assert "NOT EXACT, 1 spikes differ" in result.output
    assert "step=7, sample=1, population='layer0', neuron=3" in result.output


def given_inputs(name: str) -> Any:
    return recorded_there(name)["inputs"].astype(np.int8)


@pytest.mark.parametrize("name", SLAYER)
def test_a_network_that_trains_computes_slayers_own_integers(name: str, tmp_path: Path) -> None:
    """P1: the forward pass of training on integers, before its first step."""
    file = imported(FOREIGN / f"{name}.net", tmp_path / "a.safetensors")
    network = deploy.load(file).integers
    recipe = load_recipe("delayed-xor", (*start_overrides(file), "network.signs=free"))
    net = recipe.network.build(network.n_inputs, network.n_outputs, None)
    assert differences(convert(net.to_spec())[0], network, but=("provenance",)) == []
    model = deploy.Model(network=network, float_network=net)
    report = deploy.parity(model, inputs=given_inputs(name))
    found = report.levels["P1"]
    assert (report.failed, found.exact, found.mismatches) == ([], True, 0)
    source = sum(META[name]["spikes"].values())  # which leaves delayed spikes of the end out
    assert source <= found.spikes == found.other_spikes <= 1.02 * source


@pytest.mark.slow
@pytest.mark.parametrize("name", SLAYER)
def test_lava_computes_slayers_own_integers(name: str) -> None:
    """P2, on some steps of one sample."""
    network = read(FOREIGN / f"{name}.net").network
    report = deploy.parity(network, deploy.LoihiSim(), inputs=given_inputs(name)[:100, :1])
    assert report.levels["P2"].exact
    assert report.levels["P2"].spikes > 200


HAND = ({"delay": [2.0]}, {"weight": [[128.0]]}, NEVER)
"""One neuron a layer; computed by hand in test_slayer_files.py."""
READOUT = [0, 0, 0, 0, 4096, 3968, 3844, 3723]


@pytest.fixture
def recorded() -> dict[str, Any]:
    """What slayer's blocks give: spikes a step and their delay late, the readout a step late."""
    inputs = np.zeros((9, 1, 1), np.int8)
    inputs[:2] = 1
    one, two = np.zeros((2, 9, 1, 1), np.int8)
    one[1 + 2 + 1], two[4 + 1] = 1, 1
    read_out = np.array([0, *READOUT])[:, None, None] / 4096
    return {"inputs": inputs, "spikes_0": one, "spikes_1": two, "readout": read_out}


def test_a_layers_spikes_are_expected_when_slayer_gives_them(
    tmp_path: Path, recorded: dict[str, Any]
) -> None:
    network = imported(write(tmp_path / "a.net", *HAND), tmp_path / "a.safetensors")
    assert (
        "exact" in succeed("parity", network, "--source", save(tmp_path / "r.npz", recorded)).output
    )
    for key, place in (("spikes_0", 3), ("spikes_1", 4), ("readout", 8)):
        wrong = recorded | {key: recorded[key].copy()}
        wrong[key][place] += 1
        result = lsnn_neuro("parity", network, "--source", save(tmp_path / "w.npz", wrong))
        assert result.exit_code == 1, key
        assert "no parity: source must be exact and is not" in result.output


def test_parity_takes_a_recording_in_memory_and_other_levels_beside_it(
    tmp_path: Path, recorded: dict[str, Any]
) -> None:
    found = read(write(tmp_path / "a.net", *HAND))
    ran = deploy.SourceRun(
        name="slayer", inputs=recorded["inputs"].astype(float), readout=recorded["readout"],
        spikes={"0": recorded["spikes_0"], "1": recorded["spikes_1"]},
    )  # fmt: skip
    report = deploy.parity(found, source=ran)
    assert (list(report.levels), report.failed) == (["source"], [])
    assert set(report.skipped) == {"P0", "P1", "P2"}
    with pytest.raises(NetworkError, match="no float network is known to compare the emulator"):
        deploy.parity(found, inputs=recorded["inputs"].astype(bool))


def test_a_file_of_it_is_read_back_equal_and_goes_into_an_artifact(
    tmp_path: Path, recorded: dict[str, Any]
) -> None:
    network = imported(write(tmp_path / "a.net", *HAND), tmp_path / "a.safetensors")
    found, again = read(tmp_path / "a.net"), Imported.load(network)
    assert (again.layers, again.reading, again.spec) == (found.layers, found.reading, None)
    assert [(x.node, x.population, x.lag, x.delays) for x in again.layers] == [
        ("0", "layer0", -1, (2,)), ("1", "layer1", -1, ()), ("2", "readout", -1, ()),
    ]  # fmt: skip
    assert again.late == 0  # what comes earlier than in slayer is read when it comes
    seen = succeed("inspect", network).output
    assert "dialect: slayer" in seen
    assert "population layer0  node 0  lag -1  delays 2 to 2" in seen
    art = tmp_path / "art"
    succeed("export", network, "--target", "emulator", "--inputs", "random", "--out", art)
    out = succeed("parity", art, "--source", save(tmp_path / "r.npz", recorded)).output
    assert "source: its own framework against emulator: exact" in out


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"inputs": np.full((9, 1, 1), 0.5)}, "inputs[(0, 0, 0)] is 0.5, the network came in as integers"),
        ({"inputs": np.zeros((9, 1, 3), int)}, "expected (time, sample, 1)"),
        ({"spikes_0": np.full((9, 1, 1), 2)}, "spikes_0[(0, 0, 0)] is 2, allowed are 0 and 1"),
        ({"spikes_0": np.zeros((9, 1, 2))}, "not the same network"),
        ({"spikes_7": np.zeros((9, 1, 1))}, "spikes_7 is the spikes of none of the layers"),
        ({"spikes_2": np.zeros((9, 1, 1))}, "layer '2' does not spike here"),
    ],
)  # fmt: skip
def test_a_recording_that_does_not_fit_is_refused(
    tmp_path: Path, recorded: dict[str, Any], change: dict[str, Any], named: str
) -> None:
    network = imported(write(tmp_path / "a.net", *HAND), tmp_path / "a.safetensors")
    file = save(tmp_path / "r.npz", recorded | change)
    assert named in said("parity", network, "--source", file)


def test_integers_alone_have_no_source(tmp_path: Path, recorded: dict[str, Any]) -> None:
    """A network file, as import made them of netx files before it kept what the layers were."""
    found = read(write(tmp_path / "a.net", *HAND))
    Imported(network=found.network).save(tmp_path / "a.safetensors")
    assert deploy.load(tmp_path / "a.safetensors").imported is None
    ran = deploy.SourceRun(name="r", inputs=np.zeros((2, 1, 1)), spikes={"0": np.zeros((2, 1, 1))})
    with pytest.raises(NetworkError, match="does not say which layers of a framework"):
        deploy.parity(Imported(network=found.network), source=ran)
    file = save(tmp_path / "r.npz", recorded)
    assert "import the framework's file again" in said(
        "parity", tmp_path / "a.safetensors", "--source", file
    )


def test_numbers_beyond_eight_bits_are_no_events(tmp_path: Path, recorded: dict[str, Any]) -> None:
    found = read(write(tmp_path / "a.net", *HAND))
    ran = deploy.SourceRun(
        name="slayer", inputs=np.full((9, 1, 1), 200.0), spikes={"0": recorded["spikes_0"]}
    )
    with pytest.raises(DataError, match=r"inputs\[\(0, 0, 0\)\] is 200"):
        deploy.parity(found, source=ran)


IMAGE = {
    "type": "conv", "shape": [1, 2, 2], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1],
    "groups": 1, "weight": [[[[2.0, 4.0], [6.0, 8.0]]]],
}  # fmt: skip


def test_the_size_of_images_is_said_on_the_command_line(tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.net", IMAGE), tmp_path / "a"
    assert "import netx --input-shape C,H,W" in said("import", "netx", file, "--out", out)
    succeed("import", "netx", file, "--input-shape", "1,4,5", "--out", out)
    assert deploy.load(out).integers.n_inputs == 20
    assert "what comes in has shape (2, 4, 4)" in said(
        "import", "netx", file, "--input-shape", "2,4,4", "--out", tmp_path / "b"
    )
    for shape in ("4,5", "1,4,x", "1,-4,5", f"1,4,{'9' * 5000}"):
        result = lsnn_neuro("import", "netx", file, "--input-shape", shape, "--out", tmp_path / "b")
        assert result.exit_code == 2
        assert "is no shape of images, expected C,H,W" in result.output
    assert "input_shape is 0" in said(
        "import", "netx", file, "--input-shape", "1,0,5", "--out", tmp_path / "b"
    )
    given = ("--input-shape", "1,4,5", "--out", tmp_path / "b")
    assert "--input-shape is for netx" in said("import", "nir", file, *given)
    nothing = dict.fromkeys(field for field in USUAL if field not in ("type", "shape"))
    first = {**nothing, "type": "input", "shape": [1, 4, 4]}
    other = write(tmp_path / "b.net", first, IMAGE)
    assert "has shape (1, 4, 4), input_shape is (1, 4, 5)" in said("import", "netx", other, *given)
