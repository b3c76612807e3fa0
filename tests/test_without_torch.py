"""Reading, emulating and judging a network need no torch; only training and float networks do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lsnn_without_torch import BLOCK, command, run
from tiny_runs import lsnn_neuro, train_tiny

from lsnn_neuro.recipe import built_in


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and an artifact, made with torch."""
    folder = tmp_path_factory.mktemp("made")
    train_tiny(folder / "run")
    made = lsnn_neuro("export", folder / "run", "--target", "emulator", "--out", folder / "artifact",
                      "--samples", 4)  # fmt: skip
    assert made.exit_code == 0, made.output
    return folder / "run", folder / "artifact"


def test_there_is_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + "import torch"], capture_output=True, text=True, check=False
    )
    assert "there is no torch" in done.stderr


def test_every_recipe_is_read() -> None:
    done = run("from lsnn_neuro import load_recipe\n"
               "for name in sys.argv[1:]: print(load_recipe(name).name)", *built_in())  # fmt: skip
    assert done.stdout.split() == list(built_in())


@pytest.mark.parametrize("which", [0, 1], ids=["run", "artifact"])
def test_a_run_and_an_artifact_are_inspected(folders: tuple[Path, Path], which: int) -> None:
    found = json.loads(command("inspect", folders[which], "--json").stdout)
    assert found["resources"]


def test_the_system_is_inspected() -> None:
    assert "kernel" in json.loads(command("inspect", "--system", "--json").stdout)


@pytest.mark.parametrize("where", [(), ("--target", "loihi-sim", "--target-option", "model=fused")],
                         ids=["its own target", "lava"])  # fmt: skip
def test_an_artifact_is_evaluated(folders: tuple[Path, Path], where: tuple[str, ...]) -> None:
    arguments = ("evaluate", folders[1], "--samples", 8, "--json", *where)
    found = json.loads(command(*arguments).stdout)
    with_torch = json.loads(lsnn_neuro(*arguments).stdout)
    assert found["accuracy"] == with_torch["accuracy"]


def test_a_run_is_quantized_and_emulated(folders: tuple[Path, Path], tmp_path: Path) -> None:
    code = (
        "import numpy as np, deploy, quantize; from pathlib import Path\n"
        "network = deploy.load(Path(sys.argv[1])).network\n"
        "x = np.random.default_rng(0).random((20, 3, network.n_inputs)) < 0.2\n"
        "np.save(sys.argv[2], quantize.emulate(network, x).readout)\n"
        "quantize.save(network, sys.argv[2] + '.network')\n"
    )
    run(code, folders[0], tmp_path / "readout.npy")
    import quantize

    network = quantize.load(str(tmp_path / "readout.npy.network"))
    x = np.random.default_rng(0).random((20, 3, network.n_inputs)) < 0.2
    np.testing.assert_array_equal(
        np.load(tmp_path / "readout.npy"), quantize.emulate(network, x).readout
    )


def test_a_run_is_exported_without_the_rates_of_its_float_network(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    done = command("export", folders[0], "--target", "emulator", "--out", tmp_path / "a",
                   "--samples", 4)  # fmt: skip
    assert "torch" in done.stderr, "what is left out is said"
    network = (tmp_path / "a" / "network.safetensors").read_bytes()
    assert network == (folders[1] / "network.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("where", "level"),
    [
        (("--target", "emulator"), "golden"),
        (("--target", "loihi-sim", "--target-option", "model=fused"), "P2"),
        pytest.param(("--target", "loihi-sim"), "P2", marks=pytest.mark.slow),
    ],
)
def test_parity_leaves_the_float_levels_out_and_says_so(
    folders: tuple[Path, Path], where: tuple[str, ...], level: str
) -> None:
    done = command("parity", folders[1], *where, "--json")
    assert f'"{level}"' in done.stdout
    for left_out in ("P0", "P1"):
        assert left_out in done.stderr
    assert "torch" in done.stderr
