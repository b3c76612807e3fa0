"""Networks to and from the formats of other tools.

Each module is a format and has two functions, ``save`` and ``load``, or only the latter:

- :mod:`deploy.interchange.nir`: the Neuromorphic Intermediate Representation
- :mod:`deploy.interchange.netx`: the HDF5 files of lava-dl, which slayer writes and netx runs
- :mod:`deploy.interchange.extension`: the network itself, whole, inside a file of either format

``save`` takes a :class:`quantize.network.QuantizedNetwork` and refuses, by name and value, what the
format can't say; ``load`` gives one. Nothing is dropped on the way.
"""
