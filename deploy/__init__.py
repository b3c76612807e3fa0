"""Running a quantized network on a target, and comparing what the targets did.

In comes what :func:`deploy.load` finds at a path, or a :class:`deploy.Model` made of networks of one's own;
the verbs (:mod:`deploy.api`) score it, export it, prove its parity, place it on a chip and report. Targets
are listed in :mod:`deploy.targets`: the emulator (:mod:`deploy.emulated`), Lava's Loihi simulation
(:mod:`deploy.lava`), the chip (:mod:`deploy.loihi2`) and lava-dl's netx (:mod:`deploy.netx`). Importing this
package imports neither torch nor Lava, which is imported only in the child process that runs it.
"""

from typing import TYPE_CHECKING

from lsnn_neuro.lazy import lazy

_WHERE = {
    "load": "deploy.model",
    "Model": "deploy.model",
    "evaluate": "deploy.api",
    "export": "deploy.api",
    "parity": "deploy.api",
    "inspect": "deploy.api",
    "from_nir": "deploy.interchange.nir_read",
    "from_slayer": "deploy.interchange.slayer_module",
    "report": "deploy.api",
    "run": "deploy.api",
    "Artifact": "deploy.artifact",
    "SourceRun": "deploy.source",
    "ParityReport": "deploy.parity_report",
    "compare": "deploy.comparison",
    "get_target": "deploy.targets",
    "Target": "deploy.target",
    "TargetPlayer": "deploy.player",
    "Emulator": "deploy.emulated",
    "LoihiSim": "deploy.lava.target",
    "Loihi2": "deploy.loihi2",
    "Netx": "deploy.netx",
    "LavaOptions": "deploy.lava.options",
}

if TYPE_CHECKING:
    from deploy.api import evaluate as evaluate
    from deploy.api import export as export
    from deploy.api import inspect as inspect
    from deploy.api import parity as parity
    from deploy.api import report as report
    from deploy.api import run as run
    from deploy.artifact import Artifact as Artifact
    from deploy.comparison import compare as compare
    from deploy.emulated import Emulator as Emulator
    from deploy.interchange.nir_read import from_nir as from_nir
    from deploy.interchange.slayer_module import from_slayer as from_slayer
    from deploy.lava.options import LavaOptions as LavaOptions
    from deploy.lava.target import LoihiSim as LoihiSim
    from deploy.loihi2 import Loihi2 as Loihi2
    from deploy.model import Model as Model
    from deploy.model import load as load
    from deploy.netx import Netx as Netx
    from deploy.parity_report import ParityReport as ParityReport
    from deploy.player import TargetPlayer as TargetPlayer
    from deploy.source import SourceRun as SourceRun
    from deploy.target import Target as Target
    from deploy.targets import get_target as get_target
else:
    __getattr__, __dir__, __all__ = lazy(__name__, _WHERE)
