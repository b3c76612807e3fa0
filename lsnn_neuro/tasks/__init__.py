"""Tasks: what the network hears, and when it is asked what.

One file per task, all behind the protocol of :mod:`lsnn_neuro.tasks.base`. In comes a
configuration (part of a recipe), out come batches of input spikes with the decisions to be made
on them. NumPy only.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lsnn_neuro.tasks.base import Task
from lsnn_neuro.tasks.learning_to_learn import LearningToLearn, LearningToLearnConfig
from lsnn_neuro.tasks.navigation import Navigation, NavigationConfig
from lsnn_neuro.tasks.sequential_mnist import SequentialMNIST, SequentialMNISTConfig
from lsnn_neuro.tasks.store_recall import StoreRecall, StoreRecallConfig

TaskConfig = Annotated[
    SequentialMNISTConfig | StoreRecallConfig | LearningToLearnConfig | NavigationConfig,
    Field(discriminator="name"),
]


def make_task(config: TaskConfig) -> Task | Navigation:
    """The task a configuration describes."""
    if isinstance(config, NavigationConfig):
        return Navigation(config)
    if isinstance(config, SequentialMNISTConfig):
        return SequentialMNIST(config)
    if isinstance(config, LearningToLearnConfig):
        return LearningToLearn(config)
    return StoreRecall(config)
