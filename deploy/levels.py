"""Both sides of every level of parity, and their comparison over batches of samples.

P0 the float network, P1 the forward pass of training on integers, golden the spikes kept at export, P2
Lava, P3 the chip, each against the emulator. In a batch every side runs once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from deploy.comparison import Comparison, Side, compare_levels, join_levels
from deploy.emulated import Emulator
from deploy.model import Model
from deploy.parity_report import DISTANCE_ONLY, GOLDEN, ParityReport
from deploy.player import TargetPlayer
from deploy.samples import Samples
from deploy.target import FLOAT, REFERENCE, Target
from lsnn_neuro.arrays import Events
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.tasks.score import Score, join_scores
from lsnn_neuro.tasks.task import Task
from quantize.emulator import trace
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord
from quantize.replay import replay, trace_with_resets

Levels = dict[str, tuple[Side, Side]]
"""Reference and other side of each level."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatSides:
    """The float network, and the forward pass of training on integers around it.

    - network: a torch module
    """

    network: Any
    aware: Any

    @classmethod
    def of(cls, model: Model) -> FloatSides | str:
        """Those of a model; or why there are none."""
        if not model.has_float:
            return "no float network is known"
        try:
            from quantize.aware import QuantizationAware
        except ImportError as error:
            return f"{error.name or 'torch'} is not installed"
        network = model.float_network
        bits = model.integers.provenance.weight_bits
        return cls(network=network, aware=QuantizationAware(network, weight_bits=bits))

    def levels(self, inputs: Events, reference: Side) -> Levels:
        """P0 and P1."""
        from quantize.aware import record_torch

        def states_at(sample: int, step: int) -> tuple[PopulationState, ...]:
            found: tuple[PopulationState, ...] = self.aware.states(inputs[:, sample], step)
            return found

        record = record_torch(self.network, self.network, inputs, name=FLOAT)
        aware = record_torch(self.aware, self.network, inputs, name="quantization-aware")
        return {
            DISTANCE_ONLY: (Side(record=record), reference),
            "P1": (Side(record=aware, states_at=states_at), reference),
        }


def emulator_side(network: QuantizedNetwork, samples: Samples) -> Side:
    """The reference of a batch: what is known of it, else the emulator, run now."""

    @cache
    def traced(sample: int) -> list[tuple[PopulationState, ...]]:
        return list(trace(network, samples.inputs[:, sample]))

    record = samples.record or Emulator().run(network, samples.inputs)
    return Side(record=record, states_at=lambda sample, step: traced(sample)[step])


def target_side(network: QuantizedNetwork, inputs: Events, target: Target) -> Side:
    """What a target does with a batch; a record of a part of it can't be looked into further."""
    record = target.run(network, inputs)
    if record.partial:
        return Side(record=record)
    return Side(
        record=record,
        states_at=lambda sample, step: target.states(network, inputs[:, sample], step),
    )


def replayed_side(
    network: QuantizedNetwork, inputs: Events, reference: Side, other: SpikeRecord
) -> Side:
    """The reference with all that another record holds beside spikes and readout."""

    @cache
    def traced(sample: int) -> list[tuple[PopulationState, ...]]:
        return list(trace_with_resets(network, inputs[:, sample], other.resets))

    record = replay(network, inputs, reference.record, other)
    if not other.resets:
        return replace(reference, record=record)
    return Side(record=record, states_at=lambda sample, step: traced(sample)[step])


def kept_side(record: SpikeRecord) -> Side:
    """Spikes of the emulator that were kept at export."""
    return Side(record=replace(record, target=GOLDEN))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """What runs on a batch: a model, in float too where that can be, and a target.

    - floats: or why there are none; deployed: a target that is not the reference itself
    """

    model: Model
    floats: FloatSides | str
    deployed: Target | None

    @classmethod
    def of(cls, model: Model, target: Target | None) -> Sides:
        """The sides there are."""
        deployed = target if target is not None and target.level != REFERENCE else None
        return cls(model=model, floats=FloatSides.of(model), deployed=deployed)

    @property
    def skipped(self) -> dict[str, str]:
        """Levels that are left out, and why."""
        found = {}
        if isinstance(self.floats, str):
            found = {DISTANCE_ONLY: self.floats, "P1": self.floats}
        return found if self.deployed else found | {"P2": "no --target but the emulator"}

    def run(
        self, samples: Samples, *, kept: SpikeRecord | None = None, loop: SpikeRecord | None = None
    ) -> Levels:
        """Every side on a batch, the emulator included, once.

        - kept: the spikes from the export; loop: what the target did in a closed loop, inputs included
        """
        reference = emulator_side(self.model.integers, samples)
        levels: Levels = {}
        if kept is not None:
            levels[GOLDEN] = (kept_side(kept), reference)
        if isinstance(self.floats, FloatSides):
            levels |= self.floats.levels(samples.inputs, reference)
        if self.deployed is not None:
            side = target_side(self.model.integers, samples.inputs, self.deployed)
            matching = replayed_side(self.model.integers, samples.inputs, reference, side.record)
            levels[self.deployed.level] = (matching, side)
            if loop is not None:
                sent = Side(record=with_inputs(reference.record, samples.inputs))
                levels[f"{self.deployed.level} closed loop"] = (sent, Side(record=loop))
        return levels

    def run_probe(self, inputs: Events, kept: SpikeRecord) -> dict[str, Comparison]:
        """The probe of an artifact on the emulator and the target: its own levels."""
        reference = emulator_side(self.model.integers, Samples(inputs=inputs))
        levels: Levels = {"probe": (kept_side(kept), reference)}
        if self.deployed is not None:
            side = target_side(self.model.integers, inputs, self.deployed)
            levels[f"{self.deployed.level} probe"] = (reference, side)
        return compare_levels(levels)

    def closed_loops(self, task: Task, batch_size: int, max_samples: int) -> Iterator[SpikeRecord]:
        """What the target does when it plays the task itself, batch by batch; nothing of other tasks.

        Inputs are part of the record: equal ones mean equal trajectories.
        """
        if self.deployed is None or not task.closed_loop:
            return
        player = TargetPlayer(self.model.integers, self.deployed, records=True)
        for trials in task.trials("test", player, batch_size=batch_size, max_samples=max_samples):
            yield with_inputs(trials.record, trials.inputs)


def with_inputs(record: SpikeRecord, inputs: Events) -> SpikeRecord:
    """A record with the inputs as one population more, the first."""
    sent = PopulationSpikes(name=INPUT, spikes=inputs.astype(np.bool_))
    return replace(record, spikes=(sent, *record.spikes))


class Gathering:
    """Batches of comparisons on their way to a report; keeps the first batch that fails, else the first."""

    def __init__(self, network: QuantizedNetwork):
        self._network = network
        self._parts: list[dict[str, Comparison]] = []
        self._scores: dict[str, list[Score]] = defaultdict(list)
        self._shown: ParityReport | None = None
        self._seen = 0

    def add(self, levels: Levels, samples: Samples) -> None:
        """Compare a batch, and score every side where labels are known."""
        self._parts.append(compare_levels(levels))
        this = ParityReport(
            levels=self._parts[-1], sides=levels, inputs=samples.inputs, first_sample=self._seen
        )
        if self._shown is None or (this.failed and not self._shown.failed):
            self._shown = this
        self._seen += samples.inputs.shape[1]
        if samples.labels is None:
            return
        records = {side.record.target: side.record for pair in levels.values() for side in pair}
        for name, record in records.items():
            if name != GOLDEN and record.readout.size:
                readout = self._network.to_float(record.readout)
                self._scores[name].append(samples.labels.score(readout))

    def report(self, skipped: Mapping[str, str]) -> ParityReport:
        """All batches as one report."""
        assert self._shown is not None  # every source of samples has one
        return replace(
            self._shown,
            levels=join_levels(self._parts),
            scores={name: join_scores(found) for name, found in self._scores.items()},
            skipped=skipped,
        )
