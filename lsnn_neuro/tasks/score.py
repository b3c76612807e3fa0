"""Scores: how well a task was done, by a metric that knows which way is up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lsnn_neuro import migrations
from lsnn_neuro.errors import DataError


@dataclass(frozen=True)
class Metric:
    """A quantity that is measured of every decision.

    - percent: it is a share, which people read in per cent
    """

    name: str
    higher_is_better: bool = True
    percent: bool = False

    def format(self, value: float, *, digits: int = 2) -> str:
        """A value as people read it: shares in per cent, with ``digits`` digits."""
        return f"{value:.{digits}%}" if self.percent else f"{value:.4g}"


ACCURACY = Metric("accuracy", percent=True)
"""Correct decisions."""
SQUARED_ERROR = Metric("squared_error", higher_is_better=False)
"""Of predicted values, the mean over a decision's outputs."""
ERROR_RATE = Metric("error_rate", higher_is_better=False, percent=True)
"""Edits that make a decoded sequence the reference, per label of the reference."""
GOALS = Metric("goals")
"""Goals reached in an episode of navigation."""
METRICS = {m.name: m for m in (ACCURACY, SQUARED_ERROR, ERROR_RATE, GOALS)}


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a task was done on some samples.

    - total: sum of the metric over all decisions
    - extra: sums of what else is worth knowing, by name
    - beside: scores of the same readout by other labels, by name
    """

    metric: Metric
    samples: int
    decisions: int
    total: float
    extra: Mapping[str, float] = field(default_factory=dict)
    beside: Mapping[str, Score] = field(default_factory=dict)

    @classmethod
    def of_dict(cls, fields: Mapping[str, Any]) -> Score:
        """A score again that a checkpoint of any release holds."""
        known = migrations.score(fields)
        beside = {name: cls.of_dict(one) for name, one in known.get("beside", {}).items()}
        return cls(**known | {"metric": Metric(**known["metric"]), "beside": beside})

    @property
    def value(self) -> float:
        """The metric, per decision."""
        if not self.decisions:
            raise DataError(f"{self.samples} samples have no labels; choose more samples")
        return self.total / self.decisions

    def better_than(self, other: Score) -> bool:
        """Whether it is the better one of two scores of the same metric."""
        higher = self.metric.higher_is_better
        return self.value > other.value if higher else self.value < other.value

    def reaches(self, goal: float) -> bool:
        """Whether it is at least as good as a goal; of a metric where lower is better nothing is."""
        return self.metric.higher_is_better and self.value >= goal

    @property
    def text(self) -> str:
        """The metric, short."""
        return self.metric.format(self.value, digits=1)

    @property
    def extra_each(self) -> dict[str, float]:
        """What else is known, per decision."""
        return {name: total / self.decisions for name, total in self.extra.items()}

    def as_dict(self) -> dict[str, Any]:
        """For people and machines; the metric goes by its name."""
        return {
            "samples": self.samples,
            "decisions": self.decisions,
            self.metric.name: self.value,
            **self.extra_each,
            **{f"{one.metric.name}_{name}": one.value for name, one in self.beside.items()},
        }


def join_scores(scores: Iterable[Score]) -> Score:
    """The score over all samples of at least one score; all of one metric."""
    first, *others = scores
    for score in others:
        first = replace(
            first,
            samples=first.samples + score.samples,
            decisions=first.decisions + score.decisions,
            total=first.total + score.total,
            extra={name: total + score.extra[name] for name, total in first.extra.items()},
            beside={
                name: join_scores([one, score.beside[name]]) for name, one in first.beside.items()
            },
        )
    return first
