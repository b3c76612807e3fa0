"""The examples run as they stand, and a notebook's cells give the same when they are run again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deploy
import lsnn_neuro as ln
import quantize

ROOT = Path(__file__).parents[1]
EXAMPLES = {"own_loop": 0.3, "own_network": 0.3}
"""Accuracy that an example reaches in so few epochs at least; chance is 0.1."""
EPOCHS = 2


def cells(name: str) -> list[str]:
    """The cells of an example, fewer epochs in them; the first is what stands above all cells."""
    text = (ROOT / "examples" / f"{name}.py").read_text()
    shorter, n = re.subn(r"\bepochs(.*) = (.*)10\b", rf"epochs\1 = \g<2>{EPOCHS}", text)
    assert n == 1
    return re.split(r"^# %%.*$", shorter, flags=re.M)


def is_last(cell: str) -> bool:
    """Whether a cell is the one that goes onto targets."""
    return "deploy.parity" in cell


def run(parts: list[str], names: dict[str, Any]) -> dict[str, Any]:
    for part in parts:
        exec(compile(part, "<cell>", "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_cells_that_run_again_give_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [cell for cell in cells(name) if not is_last(cell)]
    assert len(parts) >= 5
    names: dict[str, Any] = {"__name__": "__main__"}
    first, first_said = dict(run(parts, names)), capsys.readouterr().out
    again, again_said = run(parts, names), capsys.readouterr().out
    assert first_said == again_said
    assert first["loss"].item() == again["loss"].item()
    np.testing.assert_array_equal(first["record"].readout, again["record"].readout)
    assert first["accuracy"] > EXAMPLES[name]


def test_an_own_loop_keeps_its_synapses_and_its_integers() -> None:
    found = run([cell for cell in cells("own_loop") if not is_last(cell)], {"__name__": "x"})
    assert found["deep_r"].n_active == found["deep_r"].cap
    x = found["x_test"][:, :3]
    readout = found["model"](torch.from_numpy(x)).readout.detach().numpy()
    integers = quantize.emulate(found["network"], x).readout
    np.testing.assert_allclose(readout, found["network"].to_float(integers), rtol=1e-12)


def test_an_own_loop_goes_onto_the_simulated_chip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(cells("own_loop"), {"__name__": "x"})
    assert not found["parity"].failed
    artifact = deploy.load("artifacts/own-loop")  # type: ignore[arg-type]
    assert artifact.network.n_synapses == found["network"].n_synapses


def stacked() -> ln.SpikingNetwork:
    return ln.SpikingNetwork(ln.stack(n_inputs=6, n_outputs=3, layers=[12, 9], connectivity=0.8))


@pytest.mark.parametrize("wrapped", [False, True], ids=["float", "integers"])
def test_gradients_reach_a_linear_layer_in_front(wrapped: bool) -> None:
    """Real numbers go in as they are, on the kernel or the loop; the layer learns."""
    torch.manual_seed(0)
    linear, net = torch.nn.Linear(4, 6), stacked()
    model = quantize.QuantizationAware(net) if wrapped else net
    x = torch.randn(20, 5, 4)
    y = linear(x)
    assert not torch.equal(y, y.round())
    output = model(y)
    output.readout.square().mean().backward()
    assert linear.weight.grad is not None
    assert torch.isfinite(linear.weight.grad).all()
    assert linear.weight.grad.abs().max() > 0
    before = linear.weight.detach().clone()
    torch.optim.AdamW([*linear.parameters(), *net.parameters()], lr=0.01).step()
    assert not torch.equal(before, linear.weight)


def test_the_gradient_at_real_inputs_is_that_of_the_loop() -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 5, 6)
    grads = []
    for run_on in ("forward", "forward_loop"):
        own = x.clone().requires_grad_()
        getattr(stacked(), run_on)(own).readout.square().sum().backward()
        grads.append(own.grad)
    assert grads[1].abs().max() > 0
    largest = float(grads[1].abs().max())
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-5 * largest)


def test_the_penalty_is_what_a_recipe_charges() -> None:
    rate = torch.tensor([0.0, 0.01, 0.05], requires_grad=True)
    penalty = ln.rate_penalty(rate, target_hz=10)
    assert penalty.item() == pytest.approx(0.1 * (0.01**2 + 0.04**2))
    penalty.backward()
    assert rate.grad is not None
    np.testing.assert_allclose(rate.grad.numpy(), 0.2 * np.array([-0.01, 0, 0.04]), atol=1e-8)
    assert ln.rate_penalty(rate / 2, 10, dt=0.5, cost=1).item() == pytest.approx(
        10 * penalty.item()
    )
