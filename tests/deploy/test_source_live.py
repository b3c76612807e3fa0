"""Level *source* by a live module: plain torch modules, written here, and their NIR graphs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import pytest
import torch
from nir_graphs import each, graph_of
from torch import nn

import deploy
from deploy.imported import Imported
from lsnn_neuro.errors import DataError, NetworkError

TAU, STEPS, SAMPLES = 5e-3, 40, 3
SIZES = {"lif1": 6, "lif2": 5, "out": 2}


class Integrator(nn.Module):
    """NIR's equation in steps of 1 ms: of a LIF that resets to 0, or, without a threshold, of an LI."""

    def __init__(self, threshold: float = np.inf) -> None:
        super().__init__()
        self.kept, self.threshold = float(np.exp(-1e-3 / TAU)), threshold
        self.v = torch.zeros(())

    def forward(self, x: torch.Tensor) -> Any:
        v = self.kept * self.v + (1 - self.kept) * x
        z = (v > self.threshold).to(x.dtype)
        self.v = (1 - z) * v
        return z if self.threshold < np.inf else (z, v)


class Cell(nn.Module):
    """The same with a state that comes and goes, and spikes as a sparse tensor."""

    def forward(self, x: torch.Tensor, v: Any) -> tuple[torch.Tensor, torch.Tensor]:
        inner = Integrator(1.0)
        inner.v = torch.zeros(()) if v is None else v
        return inner(x).to_sparse(), inner.v


class AtOnce(nn.Module):
    """The same for all steps in one call, (sample, time, neuron)."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str]:
        inner = Integrator(1.0)
        return torch.stack([inner(now) for now in x.unbind(1)], dim=1), "a record"


class Stateful(nn.Sequential):
    """Cells in a row, whose states come and go."""

    def forward(self, x: torch.Tensor, states: Any = None) -> Any:
        states, after = states or {}, {}
        for name, part in self.named_children():
            if isinstance(part, Cell):
                x, after[name] = part(x, states.get(name))
                x = x.to_dense()
            else:
                x = part(x)
        return x, after


class Batched(nn.Sequential):
    """Modules in a row, of which some give more than their output."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self:
            found = part(x)
            x = found[0] if isinstance(found, tuple) else found
        return x


def linear(n_in: int, n: int, seed: int) -> nn.Linear:
    """Random weights in double precision, no bias."""
    made = nn.Linear(n_in, n, bias=False, dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(np.random.default_rng(seed).normal(1.5, 2.0, (n, n_in))))
    return made


def parts(lif: Callable[[], nn.Module], readout: bool = True) -> OrderedDict[str, nn.Module]:
    """Two layers, and a readout."""
    found: OrderedDict[str, nn.Module] = OrderedDict(
        fc1=linear(4, 6, 1), lif1=lif(), fc2=linear(6, 5, 2), lif2=lif()
    )
    if readout:
        found |= {"fc3": linear(5, 2, 3), "out": Integrator()}
    return found


def graph_of_parts(modules: OrderedDict[str, nn.Module], names: str = "{}") -> nir.NIRGraph:
    """What an exporter would write; names: of its nodes."""
    nodes: dict[str, Any] = {"input": 4}
    for name, part in modules.items():
        node = names.format(name)
        if isinstance(part, nn.Linear):
            nodes[node] = nir.Linear(part.weight.detach().numpy())
        elif name == "out":
            nodes[node] = nir.LI(*each(2, TAU, 1, 0))
        else:
            nodes[node] = nir.LIF(*each(SIZES[name], TAU, 1, 0, 1))
    last = next(part for part in reversed(modules.values()) if isinstance(part, nn.Linear))
    return graph_of(**nodes, output=last.out_features)


def imported(graph: nir.NIRGraph) -> Imported:
    return deploy.from_nir(graph, "nir", dt=1.0)


def events(*shape: int, seed: int = 0) -> np.ndarray:
    """Inputs (time, sample, *shape)."""
    return np.random.default_rng(seed).random((STEPS, SAMPLES, *(shape or (4,)))) < 0.4


def level(found: Imported, ran: deploy.SourceRun) -> Any:
    return deploy.parity(found, source=ran).levels["source"]


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(parts(lambda: Integrator(1.0)))


@pytest.fixture
def found(network: nn.Sequential) -> Imported:
    return imported(graph_of_parts(network._modules))


def test_a_module_that_is_called_in_each_step_is_heard(
    network: nn.Sequential, found: Imported
) -> None:
    ran = deploy.SourceRun.of_module(network, events(), found, entries={"out": 1})
    report = deploy.parity(found, source=ran)
    said = report.levels["source"]
    assert (said.exact, said.not_recorded, report.failed) == (True, (), [])
    assert [p.name for p in said.populations] == ["lif1", "lif2"]
    assert all(p.spikes > 40 for p in said.populations)
    assert said.readout_compared == STEPS * SAMPLES * 2
    assert {"P0", "P1"} <= set(report.levels)


def test_a_module_that_computes_otherwise_is_told_apart(
    network: nn.Sequential, found: Imported
) -> None:
    network.lif2.threshold = 1.3
    ran = deploy.SourceRun.of_module(network, events(), found, entries={"out": 1})
    report = deploy.parity(found, source=ran)
    assert report.failed == ["source"]
    assert [p.mismatches > 0 for p in report.levels["source"].populations] == [False, True]
    assert report.levels["source"].first_divergence.population == "lif2"


def test_a_module_is_left_as_it_was_but_for_its_state(
    network: nn.Sequential, found: Imported
) -> None:
    deploy.SourceRun.of_module(network, events(), found)
    network.lif1.forward = None  # fails within the run
    with pytest.raises(TypeError):
        deploy.SourceRun.of_module(network, events(), found)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_module_of_double_precision_stays_in_it_where_its_spikes_do_not(
    network: nn.Sequential, found: Imported
) -> None:
    """snnTorch's neurons send 32-bit spikes whatever they are given, and a Linear takes only its own."""
    for lif in (network.lif1, network.lif2):
        lif.register_forward_hook(lambda module, given, z: z.float())
    with pytest.raises(RuntimeError, match="same dtype"):
        network(torch.zeros(1, 4, dtype=torch.float64))
    network.lif1.v = torch.zeros(())
    ran = deploy.SourceRun.of_module(network, events(), found, entries={"out": 1})
    assert level(found, ran).exact
    assert ran.readout.dtype == np.float64


def test_states_that_come_and_go_and_sparse_spikes_are_heard() -> None:
    network = Stateful(parts(Cell, readout=False))
    found = imported(graph_of_parts(network._modules))

    def play(x: torch.Tensor) -> None:
        state = None
        for now in x:
            _, state = network(now, state)

    said = level(found, deploy.SourceRun.of_module(network, events(), found, play=play))
    assert said.exact
    assert all(p.spikes > 40 for p in said.populations)


@pytest.mark.parametrize("time_first", [False, True])
def test_a_module_that_takes_all_steps_at_once_is_heard(time_first: bool) -> None:
    network = Batched(parts(AtOnce, readout=False))
    if time_first:  # its layers turn the axes themselves
        for lif in (network.lif1, network.lif2):
            lif.register_forward_pre_hook(lambda _, given: (given[0].transpose(0, 1),))
            lif.register_forward_hook(lambda _, __, out: (out[0].transpose(0, 1), out[1]))
    found = imported(graph_of_parts(network._modules))
    ran = deploy.SourceRun.of_module(
        network, torch.from_numpy(events()), found,
        play=lambda x: network(x if time_first else x.transpose(0, 1)),
    )  # fmt: skip
    assert level(found, ran).exact
    assert ran.spikes["lif2"].sum() > 40


@pytest.mark.parametrize("names", ["{}.lif", "_{}", "{}_"])
def test_a_submodule_is_found_by_what_exporters_make_of_its_name(
    network: nn.Sequential, names: str
) -> None:
    found = imported(graph_of_parts(network._modules, names))
    out = names.format("out")
    ran = deploy.SourceRun.of_module(network, events(), found, entries={out: 1})
    assert level(found, ran).exact
    assert level(found, ran).not_recorded == ()


def test_a_submodule_of_another_name_is_told() -> None:
    network = nn.Sequential(*parts(lambda: Integrator(1.0)).values())
    found = imported(graph_of_parts(parts(lambda: Integrator(1.0))))
    with pytest.raises(DataError, match=r"layer 'lif1': no submodule bears its name, of 0, 1, 2"):
        deploy.SourceRun.of_module(network, events(), found)
    modules = {"lif1": "1", "lif2": "3", "out": "5"}
    ran = deploy.SourceRun.of_module(network, events(), found, modules=modules, entries={"out": 1})
    assert level(found, ran).exact


def test_images_go_in_as_they_are_and_a_map_that_is_read_is_the_whole_modules_output() -> None:
    inner = parts(lambda: Integrator(1.0), readout=False) | {"fc3": linear(5, 2, 3)}
    network = nn.Sequential(OrderedDict(flat=nn.Flatten(), **inner))
    graph = graph_of_parts(inner)
    nodes = {**graph.nodes, "input": nir.Input({"input": np.array([2, 2])})}
    nodes["flat"] = nir.Flatten({"input": np.array([2, 2])}, start_dim=0)
    edges = [("flat" if a == "input" else a, b) for a, b in graph.edges]
    found = imported(nir.NIRGraph(nodes, [("input", "flat"), *edges], type_check=False))
    ran = deploy.SourceRun.of_module(network, events(2, 2), found)
    assert ran.inputs.shape == (STEPS, SAMPLES, 4)
    said = level(found, ran)
    assert (said.exact, said.not_recorded) == (True, ())
    assert said.readout_compared == STEPS * SAMPLES * 2


def run(network: nn.Module, found: Any, inputs: Any = None, **more: Any) -> deploy.SourceRun:
    x = events() if inputs is None else inputs
    return deploy.SourceRun.of_module(network, x, found, **more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"inputs": events(5)}, r"inputs have shape \(40, 3, 5\), the network 4 inputs"),
        ({"inputs": events()[0]}, r"inputs are bool of shape \(3, 4\), expected numbers"),
        ({"inputs": np.full((2, 1, 4), np.nan)}, r"inputs\[\(0, 0, 0\)\] is nan, must be finite"),
        ({"modules": {"lif3": "lif1"}}, "'lif3' is no layer; there are lif1, lif2, out"),
        ({"modules": {"lif1": "lif9"}}, "layer 'lif1': there is no submodule 'lif9'"),
        ({"modules": {"lif1": "lif2"}}, r"layers \['lif1', 'lif2'\]: would all be submodule 'lif2'"),
        ({"modules": {"lif1": "fc2"}}, r"layer 'lif1' \(submodule 'fc2'\): gives shape \(40, 3, 5\), exp"),
        ({"entries": {"out": 2}}, r"\(submodule 'out'\): gives 2 things, none is number 2"),
        ({"play": lambda x: None}, r"\(submodule 'lif1'\): ran 0 times, expected once in each of 40"),
    ],
)  # fmt: skip
def test_what_cannot_be_heard_is_refused_by_name(
    network: nn.Sequential, found: Imported, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        run(network, found, **more)
    assert "\n" not in str(caught.value)


def test_a_name_of_two_submodules_is_refused(found: Imported) -> None:
    network = Batched(parts(lambda: Integrator(1.0)))
    network.add_module("lif1_", Integrator())
    network.add_module("_lif1", Integrator())
    assert run(network, found, entries={"out": 1}).spikes["lif1"].any()  # one bears it exactly
    found = imported(graph_of_parts(parts(lambda: Integrator(1.0)), "{}__"))
    with pytest.raises(
        DataError, match=r"layer 'lif1__': could be submodule lif1 or lif1_ or _lif1; say"
    ):
        run(network, found)


def test_steps_and_samples_of_one_number_are_refused_where_the_axes_would_not_be_known() -> None:
    network = Batched(parts(AtOnce, readout=False))
    found = imported(graph_of_parts(network._modules))
    with pytest.raises(DataError, match="time could be the first or the second; take another"):
        run(network, found, events()[:SAMPLES], play=lambda x: network(x.transpose(0, 1)))


def test_a_submodule_that_gives_no_tensor_is_refused(
    network: nn.Sequential, found: Imported
) -> None:
    network.lif2.register_forward_hook(lambda module, given, out: {"spikes": out})
    with pytest.raises(
        DataError, match=r"layer 'lif2' \(submodule 'lif2'\): gives a dict, expected"
    ):
        run(network, found)


def test_a_network_that_was_not_imported_is_refused(
    network: nn.Sequential, found: Imported
) -> None:
    with pytest.raises(NetworkError, match="does not say which layers"):
        run(network, found.network)
    with pytest.raises(NetworkError, match=r"model is a NIRGraph, expected .* deploy.from_nir"):
        run(network, graph_of_parts(network._modules))
