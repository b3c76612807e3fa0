"""Which populations of a network are silent on some inputs."""

from __future__ import annotations

from deploy.emulated import Emulator
from deploy.model import Model
from deploy.target import FLOAT
from lsnn_neuro.arrays import Events
from lsnn_neuro.silence import silence
from quantize.record import SpikeRecord


def silence_on(model: Model, inputs: Events, *, in_float: bool) -> list[str]:
    """A line if a population does not spike on some inputs, (time, sample, input); in float or on integers.

    On integers the emulator is asked, whatever ran them: every target does the same.
    """
    if in_float and model.spec is None:
        return []  # of an LSTM
    if in_float:
        from quantize.aware import record_torch

        record = record_torch(model.float_network, model.float_network, inputs, name=FLOAT)
    else:
        record = Emulator().run(model.integers, inputs)
    n = inputs.shape[1]
    return silence(spikes_of(record), f"the first {n} samples" if n > 1 else "the first sample")


def spikes_of(record: SpikeRecord) -> dict[str, int]:
    """Spikes of every population."""
    return {p.name: int(p.spikes.sum()) for p in record.spikes}
