"""Running a quantized network on a target, and comparing what the targets did.

In comes a :class:`quantize.network.QuantizedNetwork` and input spikes, out goes a
:class:`quantize.record.SpikeRecord`, in the same form from every target. The targets are listed in
:mod:`deploy.targets`: the emulator (:mod:`deploy.emulated`), Lava's Loihi simulation
(:mod:`deploy.lava`) and the chip (:mod:`deploy.loihi2`). Nothing here imports torch, and Lava is
imported only in the child process that runs it.
"""

from typing import TYPE_CHECKING

from lsnn_neuro.lazy import lazy

_WHERE = {
    "load": "deploy.model",
    "Model": "deploy.model",
    "Target": "deploy.target",
    "TargetPlayer": "deploy.player",
    "Emulator": "deploy.emulated",
    "LoihiSim": "deploy.lava.target",
    "Loihi2": "deploy.loihi2",
    "LavaOptions": "deploy.lava.options",
}

if TYPE_CHECKING:
    from deploy.emulated import Emulator as Emulator
    from deploy.lava.options import LavaOptions as LavaOptions
    from deploy.lava.target import LoihiSim as LoihiSim
    from deploy.loihi2 import Loihi2 as Loihi2
    from deploy.model import Model as Model
    from deploy.model import load as load
    from deploy.player import TargetPlayer as TargetPlayer
    from deploy.target import Target as Target
else:
    __getattr__, __dir__, __all__ = lazy(__name__, _WHERE)
