"""Events: spikes with labels, of HDF5 files in SHD's layout, NPZ files, or a data set in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lsnn_neuro.data.events import open_events, spikes_of
from lsnn_neuro.data.samples import PairSamples, Samples
from lsnn_neuro.data.splits import Part
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.dataset import DatasetTask
from lsnn_neuro.tasks.dataset_config import DatasetConfig
from lsnn_neuro.tasks.event_encoder import EventConfig, EventEncoder


class EventsConfig(DatasetConfig, EventConfig):
    """Spikes of a file, and how they are put into steps."""

    name: Literal["events"] = "events"
    labels: str = Field("labels", description="name of the array of labels")
    groups: str | None = Field(
        None, description="name of the array of what samples belong to (SHD: extra/speaker)"
    )


class EventStreams(DatasetTask):
    """Spikes with labels; see :class:`lsnn_neuro.tasks.dataset.DatasetTask`."""

    name = "events"
    Config = EventsConfig
    config: EventsConfig

    def open(self, name: str | None) -> Samples:
        """See :class:`DatasetTask`."""
        place = Path(self.config.data).expanduser()
        found = open_events(
            place if name is None else place / name, self.config.labels, self.config.groups
        )
        if found.n_channels not in (0, self.config.units):
            raise DataError(
                f"{found.name}: has {found.n_channels} units, but task.units is {self.config.units}"
            )
        return found

    def in_memory(self, data: Any, name: str) -> Samples:
        """See :class:`DatasetTask`."""
        return PairSamples(data, f"data set {name!r}", spikes_of)

    def fit(self, base: Samples, train: Part) -> EventEncoder:
        """See :class:`DatasetTask`."""
        self.data_steps = self.config.steps
        fields = {field: getattr(self.config, field) for field in EventConfig.model_fields}
        return EventEncoder(EventConfig(**fields))
