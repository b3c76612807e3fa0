"""Running a quantized network on a target, and comparing what the targets did.

In comes a :class:`quantize.network.QuantizedNetwork` and input spikes, out goes a
:class:`quantize.record.SpikeRecord`, in the same form from every target. The targets are listed in
:mod:`deploy.targets`: the emulator (:mod:`deploy.emulated`), Lava's Loihi simulation
(:mod:`deploy.lava`) and the chip (:mod:`deploy.loihi2`). Nothing here imports torch, and Lava is
imported only in the child process that runs it.
"""
