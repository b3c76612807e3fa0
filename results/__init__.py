"""What was reached: parity over all levels, models with their cards, and a page beside the literature.

In come finished runs; out go ``models/<name>/`` (:mod:`results.publish`) and, from those folders
alone, ``docs/results.md`` with its figures (``make results``). Stands on top of all other packages,
beneath the command line.

- networks: what a path holds, trained or integer
- levels: both sides of every parity level
- card: what is known of a model, as JSON and as a page
- measure: everything on a card that comes from the test set
- publish: a run's folder becomes a model's
- metrics: a run's log, thinned
- families: models that differ in seed alone, and what they reached together
- literature: other people's numbers, and which of their claims ours bear out
- figures, page: SVG and Markdown
"""
