"""A network of integers as a player: on the emulator, on Lava, on a chip."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np

from deploy.session import TargetSession
from deploy.target import Target
from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.player import Player
from lsnn_neuro.session import Session
from quantize.network import QuantizedNetwork


class LatePlayer:
    """A player whose answers come some steps late, as of an imported network: they are read as much later.

    A network here takes a step from layer to layer, most frameworks take none. In a closed loop the answers
    stay late, since nothing can act on them before they are there.
    """

    def __init__(self, player: Player, late: int):
        self.player, self.late = player, late

    @property
    def records(self) -> bool:
        """See :class:`lsnn_neuro.player.Player`."""
        return self.player.records

    def run(self, inputs: Events) -> FloatArray:
        """Run a batch from rest, and on without inputs until the last answer is there."""
        silence = np.zeros((self.late, *inputs.shape[1:]), inputs.dtype)
        return self.player.run(np.concatenate([inputs, silence]))[self.late :]

    def session(self, n_samples: int, n_steps: int) -> AbstractContextManager[Session]:
        """The network at rest; see :class:`lsnn_neuro.player.Player`."""
        return self.player.session(n_samples, n_steps)


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
