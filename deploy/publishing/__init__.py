"""A finished run becomes a small folder with a card, fit to be committed: ``lsnn-neuro publish``.

- card: what is known of a model, as JSON and as a page
- measurement: everything on a card that comes from the test set
- log: a run's log, thinned
- folder: the folder, written whole or not at all
"""
