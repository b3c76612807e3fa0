"""Where a quantized network goes on a chip, and what it costs there.

In comes a :class:`quantize.network.QuantizedNetwork` and a chip (:mod:`deploy.mapping.chips`), out
goes a :class:`deploy.mapping.placement.Placement`: which neuron is on which core, and how full each
core is. From it and a spike record follow energy and latency (:mod:`deploy.mapping.energy`) and
NeuroBench's metrics (:mod:`deploy.mapping.metrics`); :mod:`deploy.mapping.report` puts them into
words, :mod:`deploy.mapping.picture` draws the cores.
"""
