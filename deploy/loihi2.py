"""The target ``loihi2``: a Loihi 2 chip through Lava, where lava-loihi is and a chip answers.

The graph is the one of ``loihi-sim`` (:mod:`deploy.lava.graph`) with spike adapters at the host's
border (:mod:`deploy.lava.chip`). The populations and their synapses run on the chip; readouts, leaky sums
that never spike, are computed by the host from the spikes the chip sent, in the same integers. Without
lava-loihi this can't run: what is tested is that the target says so.

No public hardware model of an adaptive neuron exists. Whoever has lava-loihi writes one (microcode and an
NcProcessModel for :class:`deploy.lava.neurons.alif.ALIF`, another process of :mod:`deploy.lava.neurons`, or
Lava's ATRLIF) and registers it with :func:`register_hardware_model`, in a module named by an entry point
of the group ``lsnn_neuro.hardware_models``, or by hand. Populations that Lava's own LIF computes exactly
(:mod:`deploy.lava.neurons.stock_lif`) need nothing. ``docs/hardware.md`` has the steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from deploy.lava.job import Spikes
from deploy.lava.neurons.neuron import candidates, lava_neurons
from deploy.lava.options import LavaOptions
from deploy.lava.target import LavaRunner, lava_missing
from deploy.session import TargetSession
from deploy.target import Target
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import LSNNError, RecipeError, TargetUnavailableError
from lsnn_neuro.network.dynamics import at_rest, simulate
from quantize.arithmetic import Loihi
from quantize.design_rules import graded_inputs_are_not_shifted_down
from quantize.emulator import running
from quantize.network import SPIKES, QuantizedNetwork, ValueRange, value_range
from quantize.record import PopulationState, SpikeRecord

ENTRY_POINTS = "lsnn_neuro.hardware_models"
NEURO_CORE = "NeuroCore"  # Lava's name for what Loihi2NeuroCore and its relatives derive from

_hardware_models: dict[str, str] = {}  # process class name -> "module:class" of its model


def register_hardware_model(process_class: type, model_class: type) -> None:
    """Say which NcProcessModel runs a process (in practice: one of ours, or ATRLIF) on the chip.

    The model is imported again, by module and name, in the child process that runs Lava. A later
    registration replaces an earlier one. Raises RecipeError if the model can't be imported by name,
    implements another process, or runs on no neuro core.
    """
    path = f"{model_class.__module__}:{model_class.__qualname__}"
    if model_class.__module__ == "__main__" or "." in model_class.__qualname__:
        raise RecipeError(
            f"hardware model {path}: is not at the top of a module that can be imported; move it "
            "there"
        )
    implemented = getattr(model_class, "implements_process", None)
    if implemented is not process_class:
        raise RecipeError(
            f"hardware model {path}: implements {getattr(implemented, '__name__', 'no process')}, "
            f"expected {process_class.__name__}; decorate it with @implements"
        )
    resources = getattr(model_class, "required_resources", [])
    if not any(base.__name__ == NEURO_CORE for r in resources for base in r.__mro__):
        found = ", ".join(r.__name__ for r in resources) or "nothing"
        raise RecipeError(
            f"hardware model {path}: requires {found}, expected a neuro core; decorate it with "
            "@requires(Loihi2NeuroCore)"
        )
    _hardware_models[process_class.__name__] = path


def hardware_models() -> dict[str, str]:
    """The registered models, those of installed plugins included."""
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except LSNNError:
            raise
        except Exception as error:  # whatever a plugin raises while it is imported
            raise TargetUnavailableError(
                f"target 'loihi2': plugin {entry.name!r} ({entry.value}) can't be loaded "
                f"({type(error).__name__}: {error})"
            ) from error
    return dict(_hardware_models)


@dataclass(frozen=True)
class Loihi2(Target):
    """Runs a network on a Loihi 2 chip, by default one sample at a time.

    Raises TargetUnavailableError where no chip can be used, and over a network that has no place on one.
    """

    name: ClassVar[str] = "loihi2"
    level: ClassVar[str] = "P3"

    options: LavaOptions = field(default_factory=lambda: LavaOptions(parallel_samples=1))

    def __post_init__(self) -> None:
        """Refuse what has no place on a chip."""
        if self.options.model == "fused":
            raise RecipeError(
                f"target {self.name!r}: a fused network is one process on the host's CPU and can't "
                "run on a chip; use model 'graph'"
            )

    def unavailable(self) -> str | None:
        """Why no chip can be used here, in one line; None if one can."""
        missing = lava_missing()
        if missing:
            return missing
        from lava.utils import loihi

        if not loihi.is_installed():
            return (
                "lava-loihi is not installed; Intel gives it to members of its "
                "Neuromorphic Research Community"
            )
        # lava.utils.slurm.is_available() would raise FileNotFoundError without sinfo
        if "NXSDKHOST" not in os.environ and shutil.which("sinfo") is None:
            return "no chip: set NXSDKHOST to the address of a Loihi 2 host, or run under SLURM"
        return None

    def model_missing(self, network: QuantizedNetwork, values: ValueRange = SPIKES) -> str | None:
        """Why this network has no place on a chip, in one line; None if it has.

        - values: what its inputs send
        """
        for broken in graded_inputs_are_not_shifted_down(network, values):
            return str(broken)
        chosen = lava_neurons(network, self.options.lif, values)
        for p in network.spiking:
            lava = chosen[p.name]
            if lava.on_cores or lava.process_name in hardware_models():
                continue
            obstacles = [c.obstacle(network, p, values) for c in candidates(p) if c.on_cores]
            why = (
                (obstacles[0] or "lif is 'own'")
                if obstacles
                else f"its neurons are {p.neuron.name!r}"
            )
            return (
                f"population {p.name!r} can't run on Lava's LIF ({why}), and no hardware model of "
                f"{lava.process_name} is registered (deploy.loihi2.register_hardware_model)"
            )
        return None

    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are events, shape (time, sample, input)."""
        record = self._runner(network, value_range(inputs)).run(network, inputs, self.name)
        trains = {p.name: p.spikes for p in record.spikes}
        return replace(record, readout=host_readout(network, inputs, trains))

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[TargetSession]:
        """Refused: the host computes the readout afterwards, from all spikes."""
        self._runner(network)
        raise TargetUnavailableError(
            f"target {self.name!r}: does not run step by step, so it can't close a loop; use 'loihi-sim'"
        )

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""
        runner = self._runner(network, value_range(inputs))
        return runner.states(network, inputs, step, self.name)

    def _runner(self, network: QuantizedNetwork, values: ValueRange = SPIKES) -> LavaRunner:
        reason = self.unavailable() or self.model_missing(network, values)
        if reason:
            raise TargetUnavailableError(f"target {self.name!r}: {reason}")
        return LavaRunner(options=self.options, backend="chip", chip_models=hardware_models())


def host_readout(
    network: QuantizedNetwork, inputs: Events, spikes: Mapping[str, Spikes]
) -> npt.NDArray[np.int32]:
    """What the outputs give, (time, sample, output), from the spikes of every population.

    - inputs: (time, sample, input); spikes: (time, sample, neuron) by population
    """
    n_steps, n_samples, _ = inputs.shape
    readouts = replace(running(network), spiking=())
    state = at_rest(network, lambda n: np.zeros((n_samples, n), np.int64))
    read = np.zeros((n_steps, n_samples, network.n_outputs), np.int32)
    for t, x in enumerate(inputs.astype(np.int64)):
        sent = {name: train[t].astype(np.int64) for name, train in spikes.items()}
        heard = {name: (z, *state.history[name][:-1]) for name, z in sent.items()}
        state = replace(state, history=state.history | heard)
        (state,) = simulate(readouts, state, [x], Loihi())
        read[t] = np.concatenate(
            [sent[p.name] if p.spiking else state.populations[p.name].v
             for p in network.output_populations],
            axis=1,
        )  # fmt: skip
    return read
