"""The float side: LSNN models, DEEP R, encoders, data, tasks, baselines and training.

In comes a recipe (:mod:`lsnn_neuro.recipe`), out goes a run folder with checkpoints
(:mod:`lsnn_neuro.checkpoint`). The later stages see a trained network only as a frozen
:class:`lsnn_neuro.spec.LSNNSpec`. Importing this package imports neither torch nor lava.
"""

__version__ = "0.1.0"
