"""What runs in a process of its own: one side of a benchmark, in the environment that it needs.

``worker.py`` is the process; the other files make sides. Those that run this project, or an older checkout of
it, are ``checkout.py``, ``large_network.py`` and ``stream.py``; the rest are the peers.
"""
