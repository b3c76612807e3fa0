"""Which optimizers can be used: found out by trying them on three numbers."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

STEPS = 4


def step_obstacle(optimizer: torch.optim.Optimizer) -> str | None:
    """Why ``step()`` can't be called as a training loop does; None if it can."""
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        return "needs a closure, to compute the loss several times in a step"
    try:
        _tried(optimizer, other=1.0)
    except (RuntimeError, ValueError) as error:
        return f"can't make a step on such parameters ({_first_line(error)})"
    return None


def rewiring_obstacle(optimizer: torch.optim.Optimizer) -> str | None:
    """Why DEEP R can't go with an optimizer; None if it can.

    A synapse must be moved by its own gradient alone: dormant ones, and those that have just been
    reactivated, would otherwise move the others.
    """
    obstacle = step_obstacle(optimizer)
    if obstacle is not None:
        return obstacle
    one, two = (_tried(optimizer, other) for other in (1.0, 100.0))
    if one is None or two is None or torch.equal(one[:2], two[:2]):
        return None
    return "moves a parameter by the gradients of others too"


def _tried(optimizer: torch.optim.Optimizer, other: float) -> torch.Tensor | None:
    """Three parameters after some steps, the last of them with another gradient.

    None for what can't be judged: it is not made of its defaults, as the optimizers of torch are.
    """
    kind: Any = type(optimizer)
    if not issubclass(kind, torch.optim.Optimizer):
        return None  # something around one
    known = inspect.signature(kind).parameters
    options = {k: v for k, v in optimizer.defaults.items() if k in known}
    first = optimizer.param_groups[0]["params"] or [torch.zeros(1)]
    tried = nn.Parameter(torch.full((3,), 0.5, device=first[0].device))
    try:
        clone = kind([tried], **options)
    except TypeError:
        return None
    for k in range(STEPS):
        tried.grad = torch.tensor([1.0, -0.5, other ** (1 - k)], device=tried.device)
        clone.step()
    return tried.detach()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
