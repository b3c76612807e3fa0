"""A quantized network as connected Lava processes, and running them safely.

In comes a ``QuantizedNetwork`` and input spikes, out goes a ``SpikeRecord``
(:mod:`deploy.lava.target`).

- ``neuron/``, ``readout/``: our Lava processes, each with a bit-accurate and a floating-point model
- ``synapses.py``, ``recording.py``: connections with event-driven models; spikes from and to files
- ``fused_core.py``: the whole network as one fast process instead
- ``stock_lif.py``: which populations Lava's own LIF computes exactly
- ``graph.py``: the network put together, sample beside sample; ``chip.py``: what a chip changes
- ``job.py``, ``runner.py``, ``supervisor.py``: one run as a folder of files, the child process that
  runs it, and the parent that watches over the child
- ``compat.py``: lets Lava be imported on Python 3.11 and later

Only ``neuron``, ``readout``, ``synapses``, ``recording``, ``fused_core``, ``graph``, ``chip`` and
``runner`` import Lava.
Lava forks one operating system process per Lava process and can hang when one of them fails: it is
always run in a child process.
"""

from deploy.lava.compat import let_lava_be_imported

let_lava_be_imported()
