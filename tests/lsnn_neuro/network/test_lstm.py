"""The LSTM baseline."""

import torch

from lsnn_neuro.network.config import LSTMConfig
from lsnn_neuro.network.lstm import LSTM


def lstm(bin_steps=1, forget_bias=0.0):
    generator = torch.Generator().manual_seed(0)
    config = LSTMConfig(kind="lstm", units=6, bin_steps=bin_steps, forget_bias=forget_bias)
    return LSTM(config, 3, 2, generator=generator)


def test_with_bins_it_hears_counts_and_holds_its_answer():
    x = torch.rand(7, 4, 3, generator=torch.Generator().manual_seed(1)) < 0.5
    counts = torch.stack([x[0:3].sum(0), x[3:6].sum(0), x[6:7].sum(0)])
    expected = lstm(1)(counts).readout
    readout = lstm(3)(x).readout
    assert readout.shape == (7, 4, 2)
    for step in range(7):
        torch.testing.assert_close(readout[step], expected[step // 3])


def test_the_forget_bias_decides_whether_cells_keep_or_forget():
    x = torch.ones(200, 1, 3)
    _, (_, kept) = lstm(forget_bias=100.0).lstm(x)
    _, (_, forgotten) = lstm(forget_bias=-100.0).lstm(x)
    assert kept.abs().max() > 2  # a sum over the steps
    assert forgotten.abs().max() < 1  # what one step can give
