"""Score anything that turns input spikes into a readout on a task's held-out samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.base import Batch, Decisions, FloatArray, Split, Task, Transcripts, logits

if TYPE_CHECKING:
    import torch

Run = Callable[[npt.NDArray[np.bool_]], npt.NDArray[Any]]
"""Input spikes (time, sample, input) -> readout (time, sample, output)."""

Measure = Literal["accuracy", "squared_error", "error_rate", "goals"]
"""What is counted: right decisions, the squared errors of estimates (mean over the outputs), edits that
make a told sequence right (per label of the right one), or goals reached in an episode of navigation."""
LESS_IS_BETTER = ("squared_error", "error_rate")


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a task was done on some samples.

    - total: sum of the measure over all decisions
    - also: sums of what else is worth knowing, by name
    """

    measure: Measure
    samples: int
    decisions: int
    total: float
    also: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The measure, per decision."""
        if not self.decisions:
            raise DataError(f"{self.samples} samples ask for nothing; choose more samples")
        return self.total / self.decisions

    @property
    def merit(self) -> float:
        """The same with a sign by which more is better."""
        return -self.value if self.measure in LESS_IS_BETTER else self.value

    @property
    def text(self) -> str:
        """The measure, short."""
        return say(self.measure, self.value, digits=1)

    @property
    def also_each(self) -> dict[str, float]:
        """What else is known, per decision."""
        return {name: total / self.decisions for name, total in self.also.items()}

    def as_dict(self) -> dict[str, Any]:
        """For people and machines; the measure goes by its name."""
        return {
            "samples": self.samples,
            "decisions": self.decisions,
            self.measure: self.value,
            **self.also_each,
        }


def say(measure: Measure, value: float, *, digits: int = 2) -> str:
    """A value of a measure as people read it: shares in per cent with so many digits."""
    return f"{value:.{digits}%}" if measure in ("accuracy", "error_rate") else f"{value:.4g}"


def join_scores(scores: Iterable[Score]) -> Score:
    """The score over all samples of at least one score; all of one measure."""
    first, *others = scores
    for score in others:
        first = replace(
            first,
            samples=first.samples + score.samples,
            decisions=first.decisions + score.decisions,
            total=first.total + score.total,
            also={name: total + score.also[name] for name, total in first.also.items()},
        )
    return first


def score(batch: Batch, readout: npt.NDArray[Any]) -> Score:
    """Score the readout of a batch, shape (time, sample, output), offsets included."""
    if isinstance(batch.decisions, Transcripts):
        return _edits(batch.decisions, readout, batch.size)
    each = by_decision(batch, readout)
    measure: Measure = "accuracy" if isinstance(batch.decisions, Decisions) else "squared_error"
    return Score(measure=measure, samples=batch.size, decisions=len(each), total=float(each.sum()))


def by_decision(batch: Batch, readout: npt.NDArray[Any]) -> FloatArray:
    """The measure of every decision on its own, shape (decision,); see :func:`score`."""
    asked = batch.decisions
    assert not isinstance(asked, Transcripts)  # their windows are not right or wrong on their own
    sums = logits(readout, asked)
    if isinstance(asked, Decisions):
        if asked.scored_as is not None and sums.shape[1] != len(asked.scored_as):
            raise DataError(
                f"a readout of {sums.shape[1]} outputs for a task of {len(asked.scored_as)} classes; "
                "score a network on the labels it was trained on"
            )
        right: FloatArray = asked.right(sums.argmax(axis=1)).astype(np.float64)
        return right
    means = sums / (asked.stop - asked.start)[:, None]
    errors: FloatArray = np.square(asked.answers(means) - asked.target).mean(axis=1)
    return errors


def _edits(asked: Transcripts, readout: npt.NDArray[Any], n_samples: int) -> Score:
    """Insertions, deletions and substitutions that lead from what is told to what ought to be."""
    sums = logits(readout, asked)
    blank = sums.shape[1] - 1
    if asked.scored_as is not None and blank != len(asked.scored_as):
        raise DataError(
            f"a readout of {blank + 1} outputs for a task of {len(asked.scored_as)} classes and the "
            "blank; score a network on the labels it was trained on"
        )
    right = asked.right()
    told = asked.told(sums.argmax(axis=1), blank)
    edits = sum(Levenshtein.distance(a, b) for a, b in zip(told, right, strict=True))
    return Score(
        measure="error_rate", samples=n_samples, decisions=sum(map(len, right)), total=float(edits)
    )


def evaluate(
    task: Task, split: Split, run: Run, *, batch_size: int, limit: int | None = None
) -> Score:
    """Run the first ``limit`` samples of a split (None: all) and score them."""
    return join_scores(
        score(batch, run(batch.inputs)) for batch in task.batches(split, batch_size, limit)
    )


def float_runner(model: torch.nn.Module, device: torch.device) -> Run:
    """A torch network as something to evaluate."""
    import torch

    def run(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        with torch.no_grad():
            readout = model(torch.from_numpy(inputs).to(device)).readout
        array: npt.NDArray[Any] = readout.cpu().numpy()
        return array

    return run
