"""The float side: neurons, networks, DEEP R, encoders, data, tasks and training.

In comes a recipe (:mod:`lsnn_neuro.recipe`), out goes a run folder with checkpoints
(:mod:`lsnn_neuro.checkpoint`). The later stages see a trained network only as a frozen
:class:`lsnn_neuro.network.spec.NetworkSpec`. Importing this package imports neither torch nor lava.
"""

__version__ = "0.2.0"
