"""The verbs from Python: what they take, and what they say of anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deploy
import lsnn_neuro as ln
import quantize


@pytest.fixture(scope="module")
def network() -> quantize.QuantizedNetwork:
    found, _ = quantize.convert(ln.lsnn(n_inputs=12, n_outputs=3, regular=8, adaptive=6))
    return found


@pytest.fixture(scope="module")
def x() -> Any:
    return np.random.default_rng(0).random((30, 3, 12)) < 0.2


def test_an_integer_network_is_enough(network: Any, x: Any, tmp_path: Path) -> None:
    assert deploy.run(network, x).readout.shape == (30, 3, 3)
    assert not deploy.parity(network, deploy.LoihiSim(), inputs=x).failed
    assert deploy.inspect(network).resources.placement is not None
    folder = str(tmp_path / "a")
    made = deploy.export(network, folder, target=deploy.LoihiSim, inputs=x)
    assert made.artifact.golden.n_samples == 3
    file, report = deploy.report(network, deploy.LoihiSim(), out=str(tmp_path / "r.html"), inputs=x)
    assert file.is_file()
    assert not report.failed


@pytest.mark.parametrize("target", ["emulator", "loihi-sim"])
def test_a_name_is_no_target(network: Any, x: Any, target: Any) -> None:
    for verb in (deploy.parity, deploy.report):
        with pytest.raises(
            ln.NetworkError, match=r"deploy.get_target\(name\) finds one by its name"
        ):
            verb(network, target, inputs=x, **({"out": "r.html"} if verb is deploy.report else {}))
    with pytest.raises(ln.NetworkError, match="finds one by its name"):
        deploy.run(network, x, target)
    with pytest.raises(ln.NetworkError, match="finds one by its name"):
        deploy.export(network, "a", target=target, inputs=x)


def test_anything_else_is_no_model(x: Any) -> None:
    for given in ("artifacts/first", ln.lsnn(n_inputs=3, n_outputs=2), None):
        wrong: Any = given
        with pytest.raises(ln.NetworkError, match=f"model is a {type(given).__name__}, expected"):
            deploy.parity(wrong, inputs=x)


def test_a_network_is_made_of_a_spec_and_rewired_by_its_synapses(network: Any) -> None:
    with pytest.raises(ln.NetworkError, match="spec is a QuantizedNetwork, expected a NetworkSpec"):
        ln.SpikingNetwork(network)
    net = ln.SpikingNetwork(ln.lsnn(n_inputs=3, n_outputs=2))
    for wrong in (net, [net]):
        with pytest.raises(ln.NetworkError, match=r"as net.synapses\(\) gives them"):
            ln.DeepR(torch.optim.Adam(net.parameters()), wrong)


def test_inputs_stand_alone(network: Any, x: Any) -> None:
    with pytest.raises(ln.NetworkError, match="inputs stand alone"):
        deploy.parity(network, deploy.LoihiSim(), inputs=x, max_samples=2)


def test_a_folder_that_is_there_is_refused_before_anything_runs(
    network: Any, x: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy.Emulator, "run", lambda *_: pytest.fail("it ran"))
    with pytest.raises(ln.FileFormatError, match="already exists"):
        deploy.export(network, tmp_path, target=deploy.Emulator(), inputs=x)
