"""A network of integers as a player: on the emulator, on Lava, on a chip."""

from __future__ import annotations

from contextlib import AbstractContextManager

from deploy.session import TargetSession
from deploy.target import Target
from lsnn_neuro.arrays import Events, FloatArray
from quantize.network import QuantizedNetwork


class TargetPlayer:
    """An integer network on a target, as a player of tasks.

    ``evaluate(task, TargetPlayer(network, LoihiSim()))`` scores it.

    - records: whether its sessions are to keep what happens
    """

    def __init__(self, network: QuantizedNetwork, target: Target, *, records: bool = False):
        self.network, self.target, self.records = network, target, records

    def run(self, inputs: Events) -> FloatArray:
        """Run a batch from rest; see :class:`lsnn_neuro.player.Player`."""
        return self.network.to_float(self.target.readout(self.network, inputs))

    def session(self, n_samples: int, n_steps: int) -> AbstractContextManager[TargetSession]:
        """The network at rest; see :class:`lsnn_neuro.player.Player`."""
        return self.target.session(self.network, n_samples, n_steps)
