"""A population inside a ``SpikingNetwork``: its constants as tensors, some of which learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.network.spec import Population
from lsnn_neuro.neurons.neuron import Neuron


class TrainedPopulation(nn.Module):
    """The constants of a population, arrays (neuron,), and which of them are learnt.

    A learnt constant is its initial value times exp(log_factor), so that it stays positive; a time
    constant tau times f turns a kept share exp(-dt/tau) into its power 1/f. ``bias`` and ``offset`` are
    learnt as they are. All but what is learnt is kept in double precision, as it stands in the spec.
    """

    kappa: Tensor
    bias: Tensor
    offset: Tensor

    def __init__(self, population: Population, dtype: torch.dtype):
        super().__init__()
        self.spec = population
        self.name, self.size, self.spiking = population.name, population.size, population.spiking
        self.fields = nn.Module()
        for name, parameter in population.neuron.parameters().items():
            if parameter.kind != "option":
                value = torch.tensor(getattr(population.neuron, name), dtype=torch.float64)
                self.fields.register_buffer(name, value)
        self.register_buffer("kappa", torch.tensor(population.kappa_i, dtype=torch.float64))
        for name in ("bias", "offset"):
            tensor = torch.tensor(getattr(population, name), dtype=dtype)
            if name in population.learn:
                setattr(self, name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
        self.log_factor = nn.ParameterDict(
            {
                name: nn.Parameter(torch.zeros(population.size, dtype=dtype))
                for name in population.learn
                if name not in ("bias", "offset")
            }
        )

    def _apply(self, fn: Any, recurse: bool = True) -> TrainedPopulation:
        """Move and convert, but keep in double precision what does not learn."""
        exact = [
            (m, k, v) for m in (self, self.fields) for k, v in m._buffers.items() if v is not None
        ]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for module, name, value in exact:
            if value.dtype == torch.float64 and (module is self.fields or name == "kappa"):
                converted = module._buffers[name]
                assert converted is not None
                module._buffers[name] = value.to(converted.device)
        return self

    def neuron(self, dtype: torch.dtype = torch.float64) -> Neuron:
        """The neuron with its constants as tensors of a type, differentiable."""
        learnable = {field: name for name, field in self.spec.neuron.learnable().items()}
        values: dict[str, Any] = {}
        for field, parameter in self.spec.neuron.parameters().items():
            if parameter.kind == "option":
                continue
            value = getattr(self.fields, field).to(dtype)
            if (name := learnable.get(field, "")) in self.log_factor:
                factor = self.log_factor[name].to(dtype)
                if parameter.kind == "time_constant":
                    value = value ** torch.exp(-factor)
                else:
                    value = value * torch.exp(factor)
            values[field] = value
        return replace(self.spec.neuron, **values)

    def kappa_i(self) -> Tensor:
        """Share of the synaptic current that a step keeps, in double precision."""
        if "tau_i" in self.log_factor:
            learnt: Tensor = self.kappa.double() ** torch.exp(-self.log_factor["tau_i"].double())
            return learnt
        return self.kappa.double()

    def gain(self) -> Tensor:
        """The factor on weights: the neuron's gain times 1 - kappa_i; in double precision."""
        gain: Tensor = self.neuron().gain() * (1 - self.kappa_i())
        return gain

    def drive_bias(self) -> Tensor | None:
        """What the bias adds to the drive in each step, in double precision; None without one."""
        if not self.has_bias:
            return None
        bias: Tensor = self.neuron().gain() * self.bias.double()
        return bias

    def to_spec(self) -> Population:
        """The population as it is now; learnt constants are the initial ones of a new network."""
        neuron, spec = self.neuron(), self.spec
        changed = {name: _array(getattr(neuron, name)) for name, *_ in spec.neuron.floats()}
        return replace(
            spec,
            neuron=replace(spec.neuron, **changed),
            kappa_i=_array(self.kappa_i()),
            bias=_array(self.bias),
            offset=_array(self.offset),
        )

    @property
    def has_bias(self) -> bool:
        """Whether it has a bias, or may learn one."""
        return "bias" in self.spec.learn or bool(self.spec.bias.any())


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
