"""From float to integers: what a trained network becomes on Loihi.

In comes the frozen float description :class:`lsnn_neuro.network.spec.NetworkSpec`, out goes a
:class:`quantize.network.QuantizedNetwork`, the intermediate representation every target runs, and a
report of what was lost on the way. The integer arithmetic is in :mod:`quantize.arithmetic`, the
integer model itself in :mod:`quantize.emulator`. Only :mod:`quantize.aware` needs torch.
"""

from typing import TYPE_CHECKING

from lsnn_neuro.lazy import lazy

_WHERE = {
    "convert": "quantize.conversion",
    "ConversionReport": "quantize.conversion_report",
    "QuantizationAware": "quantize.aware",
    "QuantizedNetwork": "quantize.network",
    "QuantizedPopulation": "quantize.network",
    "QuantizedProjection": "quantize.network",
    "emulate": "quantize.emulator",
    "SpikeRecord": "quantize.record",
    "PopulationSpikes": "quantize.record",
    "PopulationState": "quantize.record",
    "check": "quantize.design_rules",
    "Violation": "quantize.design_rules",
    "load": "quantize.file_format",
    "save": "quantize.file_format",
}

if TYPE_CHECKING:
    from quantize.aware import QuantizationAware as QuantizationAware
    from quantize.conversion import convert as convert
    from quantize.conversion_report import ConversionReport as ConversionReport
    from quantize.design_rules import Violation as Violation
    from quantize.design_rules import check as check
    from quantize.emulator import emulate as emulate
    from quantize.file_format import load as load
    from quantize.file_format import save as save
    from quantize.network import QuantizedNetwork as QuantizedNetwork
    from quantize.network import QuantizedPopulation as QuantizedPopulation
    from quantize.network import QuantizedProjection as QuantizedProjection
    from quantize.record import PopulationSpikes as PopulationSpikes
    from quantize.record import PopulationState as PopulationState
    from quantize.record import SpikeRecord as SpikeRecord
else:
    __getattr__, __dir__, __all__ = lazy(__name__, _WHERE)
