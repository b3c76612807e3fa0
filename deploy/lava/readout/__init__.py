"""The readout as a Lava process: leaky integrators that never spike.

``process.py`` says what it is, ``models.py`` how it is computed: bit-accurate (tag ``fixed_pt``)
and in floating point (tag ``floating_pt``). Synaptic input comes in at ``a_in``, the state goes out
at ``o_out`` in every step.
"""
