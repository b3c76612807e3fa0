"""Training a framework's own network on digits; see digits.py for the file.

A network here is a function: inputs (time, sample, input) -> readout (time, sample, class).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

BATCH = 100
Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Digits to train on and to score, and how many steps at the end decide."""

    train: tuple[torch.Tensor, torch.Tensor]
    scored: tuple[torch.Tensor, torch.Tensor]
    window: int

    @classmethod
    def read(cls, file: Path, split: str) -> Digits:
        """Read what digits.py wrote; those of a split are scored."""
        with np.load(file) as found:
            train, scored = (
                (
                    torch.as_tensor(found[f"{name}_inputs"]).float(),
                    torch.as_tensor(found[f"{name}_labels"]),
                )
                for name in ("train", split)
            )
            return cls(window=int(found["window"]), train=train, scored=scored)


def train_and_export(
    make: Callable[[int], tuple[nn.Module, Forward, Callable[[], nir.NIRGraph]]], scale: float = 1.0
) -> None:
    """The command: DIGITS FILE.nir --seed --epochs --lr --split; prints the accuracy on all its digits.

    - make: number of inputs -> parameters, the network, its export
    - scale: of the logits in the loss
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("digits", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    digits = Digits.read(options.digits, options.split)
    module, forward, graph = make(digits.train[0].shape[2])
    optimizer = torch.optim.Adam(module.parameters(), lr=options.lr)
    n_batches = options.epochs * len(digits.train[1]) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, n_batches)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(n_batches):
        if len(order) < BATCH:
            order = torch.randperm(len(digits.train[1]))
        drawn, order = order[:BATCH], order[BATCH:]
        loss = nn.functional.cross_entropy(
            scale * means(digits, forward(digits.train[0][:, drawn])), digits.train[1][drawn]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    found: dict[str, Any] = {"accuracy": accuracy(digits, forward), "loss": loss.item()}
    with torch.no_grad():
        nir.write(options.file, graph())
    print(json.dumps(found))


def means(digits: Digits, readout: torch.Tensor) -> torch.Tensor:
    """The readout, averaged over the steps that decide, (sample, class)."""
    return readout[-digits.window :].mean(0)


def accuracy(digits: Digits, forward: Forward) -> float:
    """Share of the scored digits that are told right."""
    inputs, labels = digits.scored
    with torch.no_grad():
        said = means(digits, forward(inputs)).argmax(1)
    return float((said == labels).double().mean())
