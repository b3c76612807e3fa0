"""What a person or a script gets to read: parity as a terminal table, as JSON, and as an HTML page.

:mod:`deploy.reporting.summary` makes the first two. The page is made of an
:class:`deploy.reporting.evidence.Evidence` by :mod:`deploy.reporting.html`, whose sections are in
``activity``, ``float_distance``, ``conversion`` and ``on_chip``, and written by
:mod:`deploy.reporting.page`.
"""
