"""The section of a recipe that says that training is on the chip's integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from lsnn_neuro.section import Section
from quantize.loihi import WEIGHT_BITS

if TYPE_CHECKING:
    from lsnn_neuro.recipe import Recipe


class QuantizationConfig(Section):
    """Quantization-aware training; leave the section out to train in float."""

    weight_bits: int = Field(
        WEIGHT_BITS, ge=2, le=8, description="width of the weights, sign not counted"
    )

    def check(self, recipe: Recipe) -> None:
        """Only networks that spike have integers."""
        if not recipe.network.spiking:
            raise ValueError("quantization needs a spiking network")

    def wrap(self, network: Any) -> Any:
        """The integer model as forward pass."""
        from quantize.aware import QuantizationAware

        return QuantizationAware(network, weight_bits=self.weight_bits)
