"""Networks to and from the formats of other tools.

Each format is a module with two functions, ``save`` and ``load``, or only the latter:

- :mod:`deploy.interchange.nir`: the Neuromorphic Intermediate Representation; foreign graphs are
  read by :mod:`deploy.interchange.nir_graph`
- :mod:`deploy.interchange.netx`: the HDF5 files of lava-dl, which netx runs and slayer writes; what
  slayer wrote is read by :mod:`deploy.interchange.slayer`
- :mod:`deploy.interchange.loihi1`: the LSNN that was published for Loihi 1

:mod:`deploy.interchange.extension` puts the network itself, whole, into a file of another format.

``save`` takes a :class:`quantize.network.QuantizedNetwork` and refuses, by name and value, what the
format can't express; ``load`` gives one. Nothing is dropped on the way.
"""
