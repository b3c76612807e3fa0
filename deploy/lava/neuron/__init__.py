"""The adaptive leaky integrate-and-fire neuron, adapting by threshold or current, as a Lava process.

``process.py`` says what it is, ``models.py`` how it is computed: bit-accurate (tag ``fixed_pt``)
and in floating point (tag ``floating_pt``), from the same integer parameters. Synaptic input comes
in at ``a_in``, spikes go out at ``s_out``.
"""
