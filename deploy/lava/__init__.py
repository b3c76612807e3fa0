"""A quantized network as connected Lava processes, and running them safely.

In comes a ``QuantizedNetwork`` and input spikes, out goes a ``SpikeRecord``
(:mod:`deploy.lava.target`).

- ``neurons/``: which Lava process runs a population, and our own processes
- ``synapses.py``, ``recording.py``: connections with event-driven models; spikes from and to files
- ``fused.py``: the whole network as one fast process instead
- ``graph.py``: the network put together, sample beside sample; ``chip.py``: what a chip changes
- ``target.py``: the target ``loihi-sim``; ``start.py``: states to start from
- ``job.py``, ``runner.py``, ``supervisor.py``: one run as a folder of files, the child process that
  runs it, and the parent that watches over the child
- ``compat.py``: lets Lava be imported on Python 3.11 and later

The parent imports no Lava. Lava forks one operating system process per Lava process and can hang when one
of them fails: it is always run in a child process.
"""

from deploy.lava.compat import patch_lava_import

patch_lava_import()
