"""The float side: neurons, networks, DEEP R, encoders, data, tasks and training.

A library first: what a PyTorch user needs stands here, ``SpikingNetwork`` and ``DeepR`` above all, and is
imported when it is asked for. Importing the package itself imports no torch and no task.

In the stages of a run, in comes a recipe (:mod:`lsnn_neuro.recipe`), out goes a run folder with checkpoints
(:mod:`lsnn_neuro.checkpoint`). The later stages see a trained network only as a frozen
:class:`lsnn_neuro.network.spec.NetworkSpec`.
"""

from typing import TYPE_CHECKING

from lsnn_neuro.lazy import lazy

__version__ = "0.2.0"

_WHERE = {
    # networks
    "SpikingNetwork": "lsnn_neuro.network.module",
    "NetworkOutput": "lsnn_neuro.network.module",
    "NetworkSpec": "lsnn_neuro.network.spec",
    "Population": "lsnn_neuro.network.spec",
    "Projection": "lsnn_neuro.network.spec",
    "lsnn": "lsnn_neuro.network.lsnn",
    "stack": "lsnn_neuro.network.lsnn",
    # neurons
    "Neuron": "lsnn_neuro.neurons.neuron",
    "LIF": "lsnn_neuro.neurons.lif",
    "ALIF": "lsnn_neuro.neurons.alif",
    "AHP": "lsnn_neuro.neurons.ahp",
    "ATRLIF": "lsnn_neuro.neurons.atrlif",
    "IF": "lsnn_neuro.neurons.integrate_and_fire",
    "LI": "lsnn_neuro.neurons.li",
    "ResettingLI": "lsnn_neuro.neurons.resetting_li",
    # training
    "DeepR": "lsnn_neuro.deep_r",
    "rate_penalty": "lsnn_neuro.penalties",
    "Recipe": "lsnn_neuro.recipe",
    "load_recipe": "lsnn_neuro.recipe",
    "train": "lsnn_neuro.training",
    "Checkpoint": "lsnn_neuro.checkpoint",
    # tasks, and how well a network does them
    "Task": "lsnn_neuro.tasks.task",
    "SupervisedTask": "lsnn_neuro.tasks.task",
    "Batch": "lsnn_neuro.tasks.task",
    "Trials": "lsnn_neuro.tasks.task",
    "make_task": "lsnn_neuro.tasks",
    "ClassLabels": "lsnn_neuro.tasks.labels",
    "ValueLabels": "lsnn_neuro.tasks.labels",
    "SequenceLabels": "lsnn_neuro.tasks.labels",
    "Metric": "lsnn_neuro.tasks.score",
    "Score": "lsnn_neuro.tasks.score",
    "FloatPlayer": "lsnn_neuro.player",
    "evaluate": "lsnn_neuro.evaluation",
    # from values to spikes
    "Events": "lsnn_neuro.arrays",
    "threshold_crossing": "lsnn_neuro.encoders",
    "poisson": "lsnn_neuro.encoders",
    # errors
    "LSNNError": "lsnn_neuro.errors",
    "RecipeError": "lsnn_neuro.errors",
    "DataError": "lsnn_neuro.errors",
    "FileFormatError": "lsnn_neuro.errors",
    "NetworkError": "lsnn_neuro.errors",
    "TrainingError": "lsnn_neuro.errors",
    "TargetUnavailableError": "lsnn_neuro.errors",
    "TargetFailedError": "lsnn_neuro.errors",
}

if TYPE_CHECKING:
    from lsnn_neuro.arrays import Events as Events
    from lsnn_neuro.checkpoint import Checkpoint as Checkpoint
    from lsnn_neuro.deep_r import DeepR as DeepR
    from lsnn_neuro.encoders import poisson as poisson
    from lsnn_neuro.encoders import threshold_crossing as threshold_crossing
    from lsnn_neuro.errors import DataError as DataError
    from lsnn_neuro.errors import FileFormatError as FileFormatError
    from lsnn_neuro.errors import LSNNError as LSNNError
    from lsnn_neuro.errors import NetworkError as NetworkError
    from lsnn_neuro.errors import RecipeError as RecipeError
    from lsnn_neuro.errors import TargetFailedError as TargetFailedError
    from lsnn_neuro.errors import TargetUnavailableError as TargetUnavailableError
    from lsnn_neuro.errors import TrainingError as TrainingError
    from lsnn_neuro.evaluation import evaluate as evaluate
    from lsnn_neuro.network.lsnn import lsnn as lsnn
    from lsnn_neuro.network.lsnn import stack as stack
    from lsnn_neuro.network.module import NetworkOutput as NetworkOutput
    from lsnn_neuro.network.module import SpikingNetwork as SpikingNetwork
    from lsnn_neuro.network.spec import NetworkSpec as NetworkSpec
    from lsnn_neuro.network.spec import Population as Population
    from lsnn_neuro.network.spec import Projection as Projection
    from lsnn_neuro.neurons.ahp import AHP as AHP
    from lsnn_neuro.neurons.alif import ALIF as ALIF
    from lsnn_neuro.neurons.atrlif import ATRLIF as ATRLIF
    from lsnn_neuro.neurons.integrate_and_fire import IF as IF
    from lsnn_neuro.neurons.li import LI as LI
    from lsnn_neuro.neurons.lif import LIF as LIF
    from lsnn_neuro.neurons.neuron import Neuron as Neuron
    from lsnn_neuro.neurons.resetting_li import ResettingLI as ResettingLI
    from lsnn_neuro.penalties import rate_penalty as rate_penalty
    from lsnn_neuro.player import FloatPlayer as FloatPlayer
    from lsnn_neuro.recipe import Recipe as Recipe
    from lsnn_neuro.recipe import load_recipe as load_recipe
    from lsnn_neuro.tasks import make_task as make_task
    from lsnn_neuro.tasks.labels import ClassLabels as ClassLabels
    from lsnn_neuro.tasks.labels import SequenceLabels as SequenceLabels
    from lsnn_neuro.tasks.labels import ValueLabels as ValueLabels
    from lsnn_neuro.tasks.score import Metric as Metric
    from lsnn_neuro.tasks.score import Score as Score
    from lsnn_neuro.tasks.task import Batch as Batch
    from lsnn_neuro.tasks.task import SupervisedTask as SupervisedTask
    from lsnn_neuro.tasks.task import Task as Task
    from lsnn_neuro.tasks.task import Trials as Trials
    from lsnn_neuro.training import train as train
else:
    __getattr__, __dir__, __all__ = lazy(__name__, _WHERE)
