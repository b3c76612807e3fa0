"""Real numbers as an arithmetic: the spike function and its pseudo-derivative."""

from types import SimpleNamespace

import pytest
import torch

from lsnn_neuro.network.real import Real, spike

YES, NO = torch.tensor([True]), torch.tensor([False])


@pytest.mark.parametrize(
    ("distance", "above", "at"), [(-0.5, 0, 0), (0.0, 0, 1), (1e-12, 1, 1), (3.0, 1, 1)]
)
def test_spikes_above_the_threshold_or_at_it(distance, above, at):
    x = torch.tensor([distance])
    assert spike(x, YES, 0.3).item() == above
    assert spike(x, YES, 0.3, at_threshold=True).item() == at


def test_never_spikes_while_refractory():
    assert spike(torch.tensor([5.0]), NO, 0.3).item() == 0.0


@pytest.mark.parametrize("at_threshold", [False, True])
@pytest.mark.parametrize(
    ("distance", "slope"),
    [(0.0, 0.3), (0.25, 0.225), (-0.25, 0.225), (1.0, 0.0), (-1.0, 0.0), (2.0, 0.0), (-7.0, 0.0)],
)
def test_gradient_is_a_triangle_of_height_gamma(distance, slope, at_threshold):
    x = torch.tensor([distance], requires_grad=True)
    (2 * spike(x, YES, 0.3, at_threshold=at_threshold)).sum().backward()
    assert x.grad.item() == pytest.approx(2 * slope)


def test_gradient_is_zero_while_refractory():
    x = torch.tensor([0.0], requires_grad=True)
    spike(x, NO, 0.3).sum().backward()
    assert x.grad.item() == 0.0


def test_distances_are_scaled_by_the_width():
    c = SimpleNamespace(width=torch.tensor([4.0]), gamma=0.3, at_threshold=False)
    x = torch.tensor([1.0], requires_grad=True)
    Real().spike(x, c, None).sum().backward()
    assert x.grad.item() == pytest.approx(0.3 * (1 - 1 / 4) / 4)


def test_real_numbers_have_no_width_and_a_countdown_no_gradient():
    ar, x = Real(), torch.tensor([1e9, -1e9], requires_grad=True)
    assert torch.equal(ar.saturate(x), x)
    assert torch.equal(ar.wrap(x), x)
    assert torch.equal(ar.decay(x, torch.tensor([0.5, 0.0])), torch.tensor([5e8, 0]))
    left, z = (
        torch.tensor([0.0, 1.0, 2.0, 2.0]),
        torch.tensor([0.0, 0.0, 0.0, 1.0], requires_grad=True),
    )
    steps = ar.countdown(left, z, torch.tensor(5.0))
    assert steps.tolist() == [0, 0, 1, 5]
    assert not steps.requires_grad
