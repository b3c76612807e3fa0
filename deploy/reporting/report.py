"""What a report is made of: parity, and what is known of the network beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy.mapping.chips import Chip
from deploy.model import Model
from deploy.parity_report import ParityReport
from quantize.network import QuantizedNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class Report(ParityReport):
    """A parity report of a network, and the chip on which it is placed.

    - name: where the network was found; manifest: of an artifact, or as much as it would hold
    - recipe: TOML text, empty if unknown
    """

    network: QuantizedNetwork
    name: str
    chip: Chip
    manifest: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""

    @classmethod
    def of(cls, parity: ParityReport, model: Model, chip: Chip) -> Report:
        """The report of a model."""
        manifest: Mapping[str, Any] = {}
        if model.artifact is not None:
            manifest = model.artifact.manifest
        elif model.report is not None:
            manifest = {"conversion": asdict(model.report)}
        recipe = "" if model.known_recipe is None else model.known_recipe.to_toml()
        return cls(
            **vars(parity),
            network=model.integers,
            name=model.name,
            chip=chip,
            manifest=manifest,
            recipe=recipe,
        )
