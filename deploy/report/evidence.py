"""What a parity report is made of: verdicts, the records behind them, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.artifact import Artifact
from deploy.mapping.chips import Chip
from deploy.parity import Comparison, Divergence, Side
from deploy.report.parity import DISTANCE_ONLY, failed_levels
from lsnn_neuro.arrays import Events
from quantize.record import SpikeRecord

EMULATOR = "emulator"


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """How well one side did on the task, as text.

    - measure: what was counted, such as "accuracy"
    """

    side: str
    measure: str
    value: str
    decisions: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What a report is made of.

    - chip: where the network is to fit
    - levels: the verdicts, over all samples
    - sides: reference and other side of every level, over one batch: the first one in which a level
      that must be exact is not, else the first
    - inputs: the batch's, bool or int8 (time, sample, input); first_sample: its first sample
    - scores: of the sides, where the task's data are at hand
    - recipe: TOML text, empty if unknown
    """

    artifact: Artifact
    chip: Chip
    levels: Mapping[str, Comparison]
    sides: Mapping[str, tuple[Side, Side]]
    inputs: Events
    first_sample: int
    scores: tuple[TaskScore, ...] = ()
    recipe: str = ""

    @property
    def failed(self) -> list[str]:
        """Levels that must be exact and are not."""
        return failed_levels(self.levels)

    @property
    def shown(self) -> str:
        """The level whose spikes are shown: the last that failed, else the last.

        In a closed loop nobody can look inside: it is compared and not shown.
        """
        exact = [
            level
            for level, sides in self.sides.items()
            if level != DISTANCE_ONLY and any(side.states for side in sides)
        ]
        return ([level for level in exact if level in self.failed] or exact)[-1]

    @property
    def divergence(self) -> Divergence | None:
        """Where the shown level parts, if that is within the batch."""
        where = self.levels[self.shown].first_divergence
        if where and 0 <= where.sample - self.first_sample < self.inputs.shape[1]:
            return where
        return None

    @property
    def emulator(self) -> SpikeRecord:
        """What the emulator did with the batch: it is on one side of every exact level."""
        records = (side.record for pair in self.sides.values() for side in pair)
        return next(record for record in records if record.target == EMULATOR)

    @property
    def sample(self) -> int:
        """The sample shown, counted within the batch."""
        return self.divergence.sample - self.first_sample if self.divergence else 0


def describe_neuron(where: Divergence) -> str:
    """The neuron or output at which two sides part, in words."""
    kind = "output" if where.readout else f"{where.population} neuron"
    return f"{kind} {where.neuron}"


STATE_NAMES = {"v": "membrane v", "a": "adaptation a", "r": "refractory r", "z": "spike z"}
"""States that most neurons have, in words; others go by their names."""


def describe_state(name: str) -> str:
    """A state variable in words."""
    return STATE_NAMES.get(name, name)
