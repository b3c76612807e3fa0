"""Populations as Lava processes, one file per process.

- ``neuron.py``: what a :class:`LavaNeuron` is, and which one runs a population; ``table.py``: the
  processes of each neuron, in the order in which they are tried
- ``stock_lif.py``, ``stock_atrlif.py``: Lava's own, and what they compute exactly
- ``own.py``: ours; ``process.py``: what they share; ``lif.py``, ``alif.py``, ``ahp.py``, ``li.py``: the
  processes, each with a bit-accurate model (tag ``fixed_pt``) and one in floating point (``floating_pt``)

Only the last five import Lava at once; the others do where they build.
"""
