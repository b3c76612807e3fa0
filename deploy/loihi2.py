"""The target ``loihi2``: a Loihi 2 chip through Lava, where lava-loihi is and a chip answers.

The graph is the one of ``loihi-sim`` (:mod:`deploy.lava.graph`) with spike adapters at the host's
border (:mod:`deploy.lava.chip`). The populations and their synapses run on the chip; the readout, a
leaky sum that never spikes, is computed by the host from the spikes the chip sent, in the same
integers. Without lava-loihi nobody can run this: what is tested is that the target says so.

No public hardware model of an adaptive neuron exists. Whoever has lava-loihi writes one (microcode
and an NcProcessModel for :class:`deploy.lava.neuron.process.ALIF`, or for Lava's ATRLIF) and
registers it with :func:`register_hardware_model`, in a module named by an entry point of the group
``lsnn_neuro.hardware_models``, or by hand. Plain LIF populations that Lava's own LIF computes
exactly (:mod:`deploy.lava.stock_lif`) need nothing. ``docs/hardware.md`` has the steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from deploy.lava.job import Spikes
from deploy.lava.options import LavaOptions
from deploy.lava.stock_lif import on_stock_lif, stock_lif_obstacle
from deploy.lava.target import LavaRunner, lava_missing
from deploy.session import TargetSession
from lsnn_neuro.errors import LSNNError, RecipeError, TargetUnavailableError
from lsnn_neuro.spec import READOUT
from quantize.fixed_point import decay, saturate, shift
from quantize.loihi import STATE_SHIFT
from quantize.network import QuantizedNetwork
from quantize.record import PopulationState, SpikeRecord

ENTRY_POINTS = "lsnn_neuro.hardware_models"
NEURO_CORE = "NeuroCore"  # Lava's name for what Loihi2NeuroCore and its relatives derive from

_hardware_models: dict[str, str] = {}  # process class name -> "module:class" of its model


def register_hardware_model(process_class: type, model_class: type) -> None:
    """Say which NcProcessModel runs a process (in practice: ALIF or ATRLIF) on the chip.

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
class Loihi2Target:
    """Runs a network on a Loihi 2 chip, by default one sample at a time."""

    options: LavaOptions = field(default_factory=lambda: LavaOptions(copies=1))
    name: str = "loihi2"

    def __post_init__(self) -> None:
        """Refuse what has no place on a chip."""
        if self.options.model == "fused":
            raise RecipeError(
                f"target {self.name!r}: the fused core is one process on the host's CPU and can't "
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

    def model_missing(self, network: QuantizedNetwork) -> str | None:
        """Why this network has no place on a chip, in one line; None if it has."""
        stock = on_stock_lif(network, self.options.lif)
        for population in network.populations:
            process = "ATRLIF" if population.neuron == "atrlif" else "ALIF"
            if population.name not in stock and process not in hardware_models():
                why = stock_lif_obstacle(network, population) or "lif is 'own'"
                return (
                    f"population {population.name!r} can't run on Lava's LIF ({why}), and no "
                    f"hardware model of {process} is registered "
                    "(deploy.loihi2.register_hardware_model)"
                )
        return None

    def run(self, network: QuantizedNetwork, inputs: Spikes) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are bool, shape (time, sample, input)."""
        record = self._runner(network).run(network, inputs, self.name)
        return replace(record, readout=host_readout(network, [p.spikes for p in record.spikes]))

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[TargetSession]:
        """Refused: the host computes the readout afterwards, from all spikes."""
        self._runner(network)
        raise TargetUnavailableError(
            f"target {self.name!r}: does not run step by step, so it can't close a loop; use 'loihi-sim'"
        )

    def states(
        self, network: QuantizedNetwork, inputs: Spikes, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every population at the end of ``step``; one sample, inputs (time, input)."""
        return self._runner(network).states(network, inputs, step)

    def _runner(self, network: QuantizedNetwork) -> LavaRunner:
        reason = self.unavailable() or self.model_missing(network)
        if reason:
            raise TargetUnavailableError(f"target {self.name!r}: {reason}")
        return LavaRunner(options=self.options, backend="chip", chip_models=hardware_models())


def host_readout(network: QuantizedNetwork, spikes: Sequence[Spikes]) -> npt.NDArray[np.int32]:
    """The readout's states from the spikes of every population, shape (time, sample, output)::

    o[t] = sat(dec(o[t-1], decay_out) + (sum over projections of (sum of weight_mant * z[t])
           << weight_exp) << 6)
    """
    trains = {p.name: train for p, train in zip(network.populations, spikes, strict=True)}
    n_steps, n_samples, _ = spikes[0].shape
    readout = network.readout
    matrices = [
        (
            p,
            csr_array(
                (p.weight_mant.astype(np.int64), (p.target_index, p.source_index)),
                shape=(p.n_target, p.n_source),
            ),
        )
        for p in network.into(READOUT)
    ]
    states = np.zeros((n_steps, n_samples, readout.size), np.int32)
    o = np.zeros((readout.size, n_samples), np.int64)
    decay_out = readout.decay.astype(np.int64)[:, None]
    for t in range(n_steps):
        current = np.zeros_like(o)
        for projection, matrix in matrices:
            arriving = matrix @ trains[projection.source][t].T.astype(np.int64)
            current += shift(arriving, projection.weight_exp)
        o = saturate(decay(o, decay_out) + (current << STATE_SHIFT))
        states[t] = o.T
    return states
