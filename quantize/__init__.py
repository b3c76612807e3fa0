"""From float to integers: what a trained network becomes on Loihi.

In comes the frozen float description :class:`lsnn_neuro.network.spec.NetworkSpec`, out goes a
:class:`quantize.network.QuantizedNetwork`, the intermediate representation every target runs, and a
report of what was lost on the way. The integer arithmetic is in :mod:`quantize.arithmetic`, the
integer model itself in :mod:`quantize.emulator`. Only :mod:`quantize.aware` needs torch.
"""
