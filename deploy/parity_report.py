"""``ParityReport``: the verdict on every level, and the records to look into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.comparison import Comparison, Side
from deploy.divergence import LABEL, Divergence
from lsnn_neuro.arrays import Events
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.silence import who_is_silent
from lsnn_neuro.tasks.score import Score
from quantize.record import SpikeRecord

EMULATOR = "emulator"
"""The reference of every level."""
GOLDEN = "golden"
"""Level, and side, of the spikes that were kept at export."""
DISTANCE_ONLY = "P0"
"""The one level on which the two sides may differ."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ParityReport:
    """Every level of parity, over all samples that were compared.

    - levels: comparisons by level; skipped: levels that were left out, and why
    - sides: reference and other side of every level, over one batch: the first one in which a level
      that must be exact is not, else the first
    - inputs: the batch's, bool or int8 (time, sample, input); first_sample: its first sample
    - scores: of each side by name, where the task's labels are known
    """

    levels: Mapping[str, Comparison]
    sides: Mapping[str, tuple[Side, Side]]
    inputs: Events
    first_sample: int = 0
    scores: Mapping[str, Score] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        """Levels that must be exact and are not."""
        return [level for level, c in self.levels.items() if level != DISTANCE_ONLY and not c.exact]

    @property
    def silent(self) -> list[str]:
        """A line for each set of silent populations: which they are, and on which levels."""
        levels: dict[str, list[str]] = {}
        for level, c in self.levels.items():
            if c.silent:
                neurons = [p.name for p in c.populations if p.name != INPUT]
                levels.setdefault(who_is_silent(c.silent, neurons), []).append(level)
        return [
            f"silent: {who} in what is compared ({', '.join(on)}), so equality proves nothing there"
            for who, on in levels.items()
        ]

    @property
    def proves_nothing(self) -> bool:
        """Whether no neuron spikes on any level that must be exact."""
        exact = [c for level, c in self.levels.items() if level != DISTANCE_ONLY]
        return bool(exact) and all(c.all_silent for c in exact)

    @property
    def shown(self) -> str:
        """The level whose spikes are shown: the last that failed, else the last.

        Only one that can be looked into: in a closed loop, or where spikes were kept, there are no states.
        """
        exact = [
            level
            for level, sides in self.sides.items()
            if level != DISTANCE_ONLY and any(side.states_at for side in sides)
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
    """The neuron, output or label at which two sides part, in words."""
    if where.variable == LABEL:
        return "the decided label"
    kind = "output" if where.readout else f"{where.population} neuron"
    return f"{kind} {where.neuron}"


STATE_NAMES = {"v": "membrane v", "a": "adaptation a", "r": "refractory r", "z": "spike z"}
"""States that most neurons have, in words; others go by their names."""


def describe_state(name: str) -> str:
    """A state variable in words."""
    return STATE_NAMES.get(name, name)
