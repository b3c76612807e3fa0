"""What a Lava process can run: ``LavaNeuron``, the registry of them, and the choice for a network.

No Lava here. A neuron from another package brings its process by an entry point of the group
``lsnn_neuro.lava_neurons``: the neuron's name, and ``module:Class`` of a :class:`LavaNeuron` (or of a tuple
of such classes, in the order in which they are tried).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from deploy.lava.options import LifModel
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.registry import Registry
from quantize.network import SPIKES, QuantizedNetwork, QuantizedPopulation, ValueRange

LAVA_NEURONS = Registry(
    "Lava process for neurons named",
    "lsnn_neuro.lava_neurons",
    {
        "lif": "deploy.lava.neurons.table:LIF",
        "if": "deploy.lava.neurons.table:IF",
        "li": "deploy.lava.neurons.table:LI",
        "resetting-li": "deploy.lava.neurons.table:RESETTING_LI",
        "alif": "deploy.lava.neurons.table:ALIF",
        "ahp": "deploy.lava.neurons.table:AHP",
        "atrlif": "deploy.lava.neurons.table:ATRLIF",
    },
)


class LavaNeuron(ABC):
    """A Lava process that can run populations of a neuron, for as many samples side by side as wanted.

    The process has an InPort ``a_in`` for the synaptic input before the shift by 6, and an OutPort: ``s_out``
    for spikes, or ``v_out`` for the state of a readout.

    - label: what reports call it
    - process_name: name of the process's class, under which a chip's model of it is registered
    - stock: whether it is Lava's own; on_cores: whether lava-loihi has a model of it for the neuro cores
    - takes_start: whether it can start from a given state
    """

    label: ClassVar[str]
    process_name: ClassVar[str]
    stock: ClassVar[bool] = False
    on_cores: ClassVar[bool] = False
    takes_start: ClassVar[bool] = False

    def obstacle(
        self, network: QuantizedNetwork, population: QuantizedPopulation, values: ValueRange
    ) -> str | None:
        """Why it can't compute this population exactly; None if it can.

        - values: the lowest and the highest value that the network's inputs send
        """
        return None

    @abstractmethod
    def build(
        self, population: QuantizedPopulation, samples: int, *, start_step: int,
        start: Mapping[str, IntArray],
    ) -> Any:  # fmt: skip
        """The process, sample beside sample.

        - start_step: in this step (from 0) arrives the first input that can arrive; nothing happens before
        - start: state variables before that step, (sample and neuron,), ``i`` the synaptic current; 0 where
          there is none
        """

    @abstractmethod
    def model(self) -> Any:
        """The ProcessModel that runs it in the simulation."""

    @abstractmethod
    def states(self, process: Any) -> dict[str, IntArray]:
        """The state variables of its neuron but ``z``, while the run pauses."""


def candidates(population: QuantizedPopulation) -> tuple[LavaNeuron, ...]:
    """The processes there are for a population's neurons; NetworkError if there are none."""
    name = population.neuron.name
    if name not in LAVA_NEURONS:
        known = ", ".join(LAVA_NEURONS)
        raise NetworkError(
            f"population {population.name!r}: there is no Lava process for {name!r} neurons, only for "
            f"{known}; use model='fused', the emulator, or install one ({LAVA_NEURONS.group})"
        )
    found = LAVA_NEURONS[name]
    return tuple(kind() for kind in (found if isinstance(found, tuple) else (found,)))


def lava_neuron(
    network: QuantizedNetwork, population: QuantizedPopulation, lif: LifModel, values: ValueRange
) -> LavaNeuron:
    """The first process without an obstacle; NetworkError with the reason if each has one.

    ``lif`` says whether only Lava's own are tried, or only ours, where there are both; ``values`` are what
    the inputs send.
    """
    known = candidates(population)
    wanted = [c for c in known if lif == "auto" or c.stock == (lif == "stock")] or known
    for candidate in wanted:
        obstacle = candidate.obstacle(network, population, values)
        if obstacle is None:
            return candidate
    more = len(wanted) < len(known)
    raise NetworkError(
        f"population {population.name!r} can't run on Lava's {candidate.label}: {obstacle}; "
        + ("use lif='auto' or 'own'" if more else "use model='fused', or the emulator")
    )


def lava_neurons(
    network: QuantizedNetwork, lif: LifModel, values: ValueRange = SPIKES
) -> dict[str, LavaNeuron]:
    """Which process runs each population, by the population's name.

    Readouts that are not read are left out. ``values``: what the inputs send.
    """
    return {
        p.name: lava_neuron(network, p, lif, values)
        for p in network.populations
        if p.spiking or p.name in network.outputs
    }


def differing(values: Iterable[tuple[str, npt.NDArray[Any]]], process: str) -> str | None:
    """The obstacle that some constant is not the same for all neurons; None if all are."""
    for name, array in values:
        low, high = array.min(), array.max()
        if low != high:
            return f"{name} runs from {low} to {high}, the {process} has one for all"
    return None


def tiled(values: npt.NDArray[np.int32], samples: int) -> IntArray:
    """One value per neuron, repeated for each sample."""
    return np.tile(values, samples)
