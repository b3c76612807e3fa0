"""Our own Lava processes: they compute every population of their neurons. No Lava until one is built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from deploy.lava.neurons.neuron import LavaNeuron, tiled
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.neurons.lif import LIFConstants
from lsnn_neuro.neurons.neuron import Constants
from quantize.network import QuantizedPopulation


class OwnNeuron(LavaNeuron):
    """A process derived from :class:`deploy.lava.neurons.process.NeuronProcess`.

    - module: where the process stands, and beside it its fixed-point model ``Py...ModelFixed``
    """

    module: ClassVar[str]
    takes_start = True

    def constants(self, population: QuantizedPopulation) -> Constants:
        """What the process takes, (neuron,)."""
        constants: Constants = population.constants
        return constants

    def build(
        self, population: QuantizedPopulation, samples: int, *, start_step: int,
        start: Mapping[str, IntArray],
    ) -> Any:  # fmt: skip
        """The process with all constants repeated for each sample."""
        process = getattr(import_module(self.module), self.process_name)
        decay_i = population.decay_i
        return process(
            constants=self.constants(population).map(
                lambda _, role, value: tiled(value, samples) if role.is_number else value
            ),
            decay_i=None if decay_i is None else tiled(decay_i, samples),
            bias=tiled(population.bias, samples),
            start_step=start_step,
            start=start,
            name=population.name,
        )

    def model(self) -> Any:
        """The fixed-point one."""
        return getattr(import_module(self.module), f"Py{self.process_name}ModelFixed")

    def states(self, process: Any) -> dict[str, IntArray]:
        """All the process holds but the spikes, which are recorded."""
        return {
            name: getattr(process, name).get().astype(np.int32)
            for name in process.state_names
            if name != "z"
        }


class LIF(OwnNeuron):
    """LIF with everything, and IF, which is a LIF that does not leak."""

    label = "LIF"
    process_name = "GeneralLIF"
    module = "deploy.lava.neurons.lif"

    def constants(self, population: QuantizedPopulation) -> Constants:
        """A LIF's."""
        found = vars(population.constants)
        return LIFConstants(**{"decay_v": np.zeros(population.size, np.int32)} | found)


class ALIF(OwnNeuron):
    """ALIF."""

    label = process_name = "ALIF"
    module = "deploy.lava.neurons.alif"


class AHP(OwnNeuron):
    """AHP."""

    label = process_name = "AHP"
    module = "deploy.lava.neurons.ahp"


class LI(OwnNeuron):
    """LI, a readout."""

    label = process_name = "LI"
    module = "deploy.lava.neurons.li"


class ResettingLI(OwnNeuron):
    """An LI that is reset above a threshold."""

    label = process_name = "ResettingLI"
    module = "deploy.lava.neurons.li"
