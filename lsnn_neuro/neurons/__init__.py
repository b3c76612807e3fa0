"""Neurons, one file each: the equation, its parameters, and the role of each constant.

:mod:`lsnn_neuro.neurons.neuron` says what a neuron is; ``lsnn_neuro.registry.NEURONS`` finds them by
name. Needs no torch.
"""
