"""What a person or a script gets to read: parity as a terminal table, as JSON, and as an HTML page.

:mod:`deploy.report.parity` makes the first two. The page is made of an
:class:`deploy.report.evidence.Evidence` by :mod:`deploy.report.html`, whose sections are in
``activity``, ``float_distance``, ``conversion`` and ``on_chip``, and written by
:mod:`deploy.report.page`.
"""
