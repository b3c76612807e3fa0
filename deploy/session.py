"""What a target gives to someone who runs a network some steps at a time."""

from __future__ import annotations

from typing import Protocol

from lsnn_neuro.session import Session
from quantize.record import SpikeRecord


class TargetSession(Session, Protocol):
    """A session that leaves a record."""

    def record(self) -> SpikeRecord:
        """What the network did, once all steps have run."""
