"""Data sets: files in, NumPy arrays out.

Downloads go to one cache folder (:mod:`lsnn_neuro.data.cache`) and every file in it is known by
its SHA-256. Nothing here knows of spikes; that is the business of :mod:`lsnn_neuro.tasks`.
"""
