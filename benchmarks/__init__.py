"""How fast, and against what: each script measures one claim of ``docs/performance.md``.

A script prints a table and writes one JSON object (``--json FILE``, or ``-``) with medians, ratios,
memory, versions and the machine. Everything a script compares is measured interleaved, in one
process; peak memory in one child process for each side. ``make bench`` runs all.
"""
