"""Labels judge only networks that have an output for every one of them."""

import numpy as np
import pytest
import torch

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.labels import ClassLabels, SequenceLabels, ValueLabels

AT_THE_END = {"sample": np.zeros(1, int), "start": np.zeros(1, int), "stop": np.full(1, 3)}


@pytest.mark.parametrize(
    ("labels", "needed"),
    [
        (ClassLabels(target=np.array([2]), **AT_THE_END), 3),
        (ValueLabels(target=np.zeros((1, 3)), **AT_THE_END), 3),
        (SequenceLabels(labels=(np.array([1]),), **AT_THE_END), 3),  # with the blank
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_network_of_too_few_outputs_is_neither_scored_nor_trained(labels, needed):
    readout = torch.zeros(3, 1, needed - 1)
    for judge in (
        lambda: labels.score(readout.numpy()),
        lambda: labels.loss(readout, scale=1.0),
    ):
        with pytest.raises(DataError, match=f"they need {needed} outputs, the network has 2"):
            judge()
    enough = torch.zeros(3, 1, needed)
    labels.score(enough.numpy())
    labels.loss(enough, scale=1.0)
