"""How the files of each framework came out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SEED, COUNT = 0, 8
"""What networks are drawn from, and how many of each framework, unless the options say another."""


@dataclass
class Readings:
    """By framework: how many files came out how, and spikes compared; what else is to be printed."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    spikes: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, framework: str, outcome: str, spikes: int = 0) -> None:
        """One file more."""
        self.outcomes.setdefault(framework, Counter())[outcome] += 1
        self.spikes[framework] += spikes
