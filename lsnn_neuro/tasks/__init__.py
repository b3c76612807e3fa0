"""Tasks: what the network hears, and when it is asked what.

One file per task, all behind the protocol of :mod:`lsnn_neuro.tasks.base`. In comes a
configuration (part of a recipe), out come batches of input spikes with the decisions to be made
on them. NumPy only.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lsnn_neuro.tasks.base import Task
from lsnn_neuro.tasks.delayed_xor import DelayedXOR, DelayedXORConfig
from lsnn_neuro.tasks.learning_to_learn import LearningToLearn, LearningToLearnConfig
from lsnn_neuro.tasks.navigation import Navigation, NavigationConfig
from lsnn_neuro.tasks.phones import Phones, PhonesConfig
from lsnn_neuro.tasks.sequential_mnist import SequentialMNIST, SequentialMNISTConfig
from lsnn_neuro.tasks.spoken_digits import SpokenDigits, SpokenDigitsConfig
from lsnn_neuro.tasks.store_recall import StoreRecall, StoreRecallConfig

TaskConfig = Annotated[
    DelayedXORConfig
    | LearningToLearnConfig
    | NavigationConfig
    | PhonesConfig
    | SequentialMNISTConfig
    | SpokenDigitsConfig
    | StoreRecallConfig,
    Field(discriminator="name"),
]


def make_task(config: TaskConfig) -> Task | Navigation:
    """The task a configuration describes."""
    match config:
        case DelayedXORConfig():
            return DelayedXOR(config)
        case LearningToLearnConfig():
            return LearningToLearn(config)
        case NavigationConfig():
            return Navigation(config)
        case PhonesConfig():
            return Phones(config)
        case SequentialMNISTConfig():
            return SequentialMNIST(config)
        case SpokenDigitsConfig():
            return SpokenDigits(config)
        case StoreRecallConfig():
            return StoreRecall(config)
