"""The target ``netx``: a network through lava-dl's own loader, on Lava's fixed-point simulation.

The integers go the way that slayer's users take: into a file of lava-dl, and from there by
``lava.lib.dl.netx.hdf5.Network`` into Lava's stock processes (:mod:`deploy.lava.netx_graph`). What such a
file can't say, and what netx would not run exactly, is refused by name (:mod:`deploy.interchange.netx`).
Lava-free itself: each sample runs in a child process of its own, as netx has no samples side by side.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import ClassVar

from deploy.interchange.netx import layers_of
from deploy.lava.neurons.neuron import LavaNeuron
from deploy.lava.options import LavaOptions
from deploy.lava.target import LavaRunner, LavaTarget, lava_missing
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import RecipeError
from quantize.network import QuantizedNetwork, ValueRange
from quantize.record import SpikeRecord


@dataclass(frozen=True, kw_only=True)
class NetxOptions:
    """How to run on netx.

    - time_limit: seconds one sample may take
    """

    time_limit: float = 600.0

    def __post_init__(self) -> None:
        """Check the value."""
        if not self.time_limit > 0:
            raise RecipeError(
                f"netx option time_limit is {self.time_limit}, must be above 0 seconds"
            )


class _NetxRunner(LavaRunner):
    """Runs networks on Lava as netx puts them together."""

    def neurons(self, network: QuantizedNetwork, values: ValueRange) -> dict[str, LavaNeuron]:
        """None of ours; NetworkError over what netx would not run exactly."""
        layers_of(network, values)
        return {}

    def variant(self, network: QuantizedNetwork, values: ValueRange, target: str) -> str:
        """What runs, for reports."""
        return f"{target} (lava-dl {version('lava-dl')})"


@dataclass(frozen=True)
class Netx(LavaTarget):
    """Runs a network through lava-dl's netx, one sample after the other; ``Netx()`` needs no options.

    Raises TargetUnavailableError where lava-dl is not installed, NetworkError over a network that netx can't
    run exactly, TargetFailedError if it broke down.
    """

    name: ClassVar[str] = "netx"
    level: ClassVar[str] = "P2"

    options: NetxOptions = field(default_factory=NetxOptions)

    def unavailable(self) -> str | None:
        """Why netx can't run here, in one line; None if it can."""
        missing = lava_missing()
        if missing:
            return missing
        # lava and lava.lib are namespaces that lava-nc and lava-dl share
        if all(importlib.util.find_spec(part) for part in ("lava.lib", "lava.lib.dl")):
            return None
        return "lava-dl is not installed; install lava-dl==0.6.0, which declares Python 3.10 only"

    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are events, shape (time, sample, input)."""
        return self.runner().run(network, inputs, self.name)

    def runner(self) -> LavaRunner:
        """See :class:`deploy.lava.target.LavaTarget`."""
        self.check_available()
        options = LavaOptions(parallel_samples=1, time_limit=self.options.time_limit)
        return _NetxRunner(options=options, backend="netx")
