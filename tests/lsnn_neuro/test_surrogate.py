"""The spike function and its pseudo-derivative."""

import pytest
import torch

from lsnn_neuro.surrogate import spike

YES, NO = torch.tensor([True]), torch.tensor([False])


@pytest.mark.parametrize(
    ("distance", "expected"), [(-0.5, 0.0), (0.0, 0.0), (1e-12, 1.0), (3.0, 1.0)]
)
def test_spikes_strictly_above_the_threshold(distance, expected):
    assert spike(torch.tensor([distance]), YES, 0.3).item() == expected


def test_never_spikes_while_refractory():
    assert spike(torch.tensor([5.0]), NO, 0.3).item() == 0.0


@pytest.mark.parametrize(
    ("distance", "slope"),
    [(0.0, 0.3), (0.25, 0.225), (-0.25, 0.225), (1.0, 0.0), (-1.0, 0.0), (2.0, 0.0), (-7.0, 0.0)],
)
def test_gradient_is_a_triangle_of_height_gamma(distance, slope):
    x = torch.tensor([distance], requires_grad=True)
    (2 * spike(x, YES, 0.3)).sum().backward()
    assert x.grad.item() == pytest.approx(2 * slope)


def test_gradient_is_zero_while_refractory():
    x = torch.tensor([0.0], requires_grad=True)
    spike(x, NO, 0.3).sum().backward()
    assert x.grad.item() == 0.0
