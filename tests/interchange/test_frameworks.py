"""Networks that the frameworks themselves draw, export and run: the file, read here, gives their spikes.

make interchange SEED=3 COUNT=8
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from environments import FRAMEWORKS
from readings import COUNT, SEED, Readings
from same import differences

from cli import main
from deploy import load
from deploy.api import parity
from deploy.imported import Imported
from deploy.interchange.nir import read
from deploy.targets import get_target
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.double import run_in_double

pytestmark = pytest.mark.slow


FILE = Path(__file__).parents[3] / "shared/data/nir-paper/braille_noDelay_noBias_subtract.nir"
"""Of the NIR paper."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every framework, and as many networks of each as are asked for."""
    if "framework" in metafunc.fixturenames:
        metafunc.parametrize("framework", FRAMEWORKS)
    if "index" in metafunc.fixturenames:
        metafunc.parametrize("index", range(metafunc.config.getoption("--count", COUNT)))


@pytest.fixture(scope="session")
def folders() -> dict[str, Path]:
    """Where the networks of each framework are, once they are drawn."""
    return {}


@pytest.fixture
def networks(
    framework: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Path:  # fmt: skip
    """A folder of networks, just drawn, exported and run by the framework."""
    if framework not in folders:
        skip_without(framework)
        folder = tmp_path_factory.mktemp(framework)
        count = str(pytestconfig.getoption("--count", COUNT))
        arguments = ("--count", count, "--seed", str(seed_of(pytestconfig)))
        FRAMEWORKS[framework].run(f"drawn_in_{framework}.py", folder, *arguments)
        folders[framework] = folder
    return folders[framework]


def seed_of(config: pytest.Config) -> int:
    return int(config.getoption("--seed", SEED))


def skip_without(framework: str) -> None:
    obstacle = FRAMEWORKS[framework].obstacle()
    if obstacle:
        pytest.skip(obstacle)


def entries(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "meta.json").read_text()).values())


def recorded(folder: Path, entry: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    with np.load(folder / f"{entry['name']}.npz") as found:
        return {key: found[key] for key in found.files}


def put_back(theirs: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What the exporter has dropped, as users say it."""
    lost = {k.removeprefix("lost_"): v for k, v in theirs.items() if k.startswith("lost_")}
    return {key: value if value.ndim else value.item() for key, value in lost.items()}


def mismatches(
    found: Imported, entry: dict[str, Any], theirs: dict[str, npt.NDArray[Any]], **more: Any
) -> int:
    """Neuron-steps that differ, every layer at its own constant lag, which the import knows."""
    late = max(layer.lag for layer in found.layers)
    inputs = theirs["inputs"].astype(float)
    inputs = np.concatenate([inputs, np.zeros((late, *inputs.shape[1:]))])
    spikes, readout = run_in_double(found.spec, inputs, **more)
    by_node, n, differ = {layer.node: layer for layer in found.layers}, entry["steps"], 0
    for key, described in entry["layers"].items():
        layer = by_node[described["nir"]]
        ours = spikes[layer.population][layer.lag : layer.lag + n]
        differ += int((ours != theirs[f"spikes_{key}"]).sum())
    if "readout" in theirs:
        lag = by_node[entry["readout_node"]].lag
        np.testing.assert_allclose(
            readout[lag : lag + n], theirs["readout"], rtol=0,
            atol=1e-6 * np.abs(theirs["readout"]).max(),
        )  # fmt: skip
    return differ


def test_their_spikes_come_out(
    framework: str, index: int, networks: Path, readings: Readings
) -> None:
    entry = entries(networks)[index]
    theirs, told = recorded(networks, entry), dict(entry["reading"])
    file, several = networks / entry["file"], told.get("one_spike") is False
    if several:  # more than one spike a step, which is no network for the chip
        with pytest.raises(NetworkError, match="--one-spike"):
            read(file, framework, **told)
        told["one_spike"] = True
    found = read(file, framework, put=put_back(theirs), **told)
    differ = mismatches(found, entry, theirs, several=several)
    spikes = sum(int((theirs[f"spikes_{key}"] > 0).sum()) for key in entry["layers"])
    kind = "mismatched" if differ else "refused as it must be" if several else "read exactly"
    readings.add(framework, kind, spikes)
    assert spikes > 200
    assert differ == 0, f"{differ} of {spikes} spikes: {entry['code']}"


def test_what_is_told_decides_the_spikes(framework: str, networks: Path) -> None:
    """Read as another framework's a network is refused, as its constants are not what that one writes, or
    some of its spikes are others.
    """
    other = "rockpool" if framework == "snntorch" else "snntorch"
    told: dict[str, Any] = {"one_spike": True} if other == "rockpool" else {}
    differ: list[float] = []
    for entry in entries(networks):
        try:
            found = read(networks / entry["file"], other, dt=0.1, **told)
        except NetworkError:
            differ.append(math.inf)
            continue
        theirs = recorded(networks, entry)
        theirs.pop("readout", None)
        differ.append(mismatches(found, entry, theirs))
    assert max(differ) > 50


def test_the_command_reads_the_same(framework: str, networks: Path, tmp_path: Path) -> None:
    entry = entries(networks)[0]
    theirs, told = recorded(networks, entry), entry["reading"]
    file, out = str(networks / entry["file"]), str(tmp_path / "out.safetensors")
    options = [f"--put={key}={value}" for key, value in put_back(theirs).items()]
    options += ["--one-spike"] if told.get("one_spike") else []
    options += [f"--{key}={told[key]}" for key in ("reset", "dt") if key in told]
    done = CliRunner().invoke(
        main, ["import", "nir", file, "--from", framework, "--out", out, *options]
    )
    assert done.exit_code == 0, done.output
    found = read(file, framework, put=put_back(theirs), **told)
    assert differences(Imported.load(out).spec, found.spec) == []


@pytest.mark.skipif(not FILE.exists(), reason=f"no file of the NIR paper: {FILE}")
def test_the_papers_braille_network_spikes_as_in_snntorch(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    skip_without("snntorch")
    FRAMEWORKS["snntorch"].run("braille_in_snntorch.py", FILE, tmp_path, str(seed_of(pytestconfig)))
    (entry,) = entries(tmp_path)
    theirs = recorded(tmp_path, entry)
    found = read(FILE, "snntorch", reset="subtract")
    assert all(theirs[f"spikes_{layer}"].sum() > 1000 for layer in ("lif1", "lif2"))
    assert mismatches(found, entry, theirs) == 0
    found.save(tmp_path / "imported.safetensors")
    model = load(tmp_path / "imported.safetensors")
    report = parity(model, get_target("loihi-sim"), inputs=theirs["inputs"][:, :2].astype(np.bool_))
    assert {"P1", "P2"} <= set(report.levels)  # training on integers, and Lava
    assert not report.failed
