"""The commands convert and import: thin, and in one line when they refuse."""

import numpy as np
import pytest
from click.testing import CliRunner
from lif_networks import lif_network
from random_networks import random_inputs, random_network

from cli import main
from deploy.artifact import write_artifact
from deploy.interchange.extension import pack
from quantize.emulator import emulate
from quantize.file_format import load


@pytest.fixture
def artifact(tmp_path):
    """Writes an artifact of a network and gives its folder."""

    def write(network):
        inputs = random_inputs(0, network, n_steps=5, n_samples=1)
        write_artifact(
            tmp_path / "a", network, target="emulator", inputs=inputs,
            golden=emulate(network, inputs), about={},
        )  # fmt: skip
        return tmp_path / "a"

    return write


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_an_artifact_goes_to_nir_and_comes_back_equal(tmp_path, artifact):
    network = random_network(3)
    folder, there, back = artifact(network), tmp_path / "n.nir", tmp_path / "n.safetensors"
    refused = run("convert", folder, "--to", "nir", "--out", there)
    assert refused.exit_code == 1
    assert "which is not written as plain NIR" in refused.output
    assert refused.output.count("\n") == 1
    assert not there.exists()
    assert run("convert", folder, "--to", "nir", "--out", there, "--extended").exit_code == 0
    done = run("import", "nir", there, "--out", back)
    assert done.exit_code == 0, done.output
    assert f"{network.n_synapses} synapses" in done.output
    np.testing.assert_array_equal(pack(load(back)), pack(network))
    assert run("import", "nir", there, "--out", back).exit_code == 1  # it is there
    replace = ("--out", back, "--overwrite")
    other = run("import", "nir", there, *replace, "--recipe", "store-recall")
    assert other.exit_code == 1
    assert "its task 'store-recall' has 100 inputs and 2 outputs" in other.output
    assert run("import", "nir", there, *replace, "--recipe", "none-such").exit_code == 1
    assert run("import", "nir", there, *replace).exit_code == 0
    again = tmp_path / "again.nir"  # what was imported can be converted in turn
    assert run("convert", back, "--to", "nir", "--out", again, "--extended").exit_code == 0
    assert again.read_bytes() == there.read_bytes()


def test_nir_without_the_extension_says_when_read_what_it_lacks(tmp_path, artifact):
    folder, there, back = artifact(lif_network(0)), tmp_path / "n.nir", tmp_path / "n.safetensors"
    assert run("convert", folder, "--to", "nir", "--out", there).exit_code == 0
    done = run("import", "nir", there, "--out", back)
    assert done.exit_code == 0, done.output
    assert "read as a file of lsnn-neuro" in done.output
    assert "quantized anew" in done.output


def test_what_netx_can_not_run_is_refused_in_one_line(tmp_path, artifact):
    folder = artifact(lif_network(0))
    for options in ((), ("--extended",)):
        done = run("convert", folder, "--to", "netx", "--out", tmp_path / "n.net", *options)
        assert done.exit_code == 1
        assert "netx" in done.output
        assert done.output.count("\n") == 1
    assert run("import", "netx", folder / "manifest.json", "--out", tmp_path / "b").exit_code == 1
