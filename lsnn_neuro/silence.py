"""What is said of neurons that do not spike: a score, or an equality, then tells less than it seems to."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def silence(spikes: Mapping[str, float], where: str) -> list[str]:
    """A line if a population, or all of them, does not spike, else none.

    - spikes: how many, or how often, of each spiking population; where: in what, in words
    """
    quiet = [name for name, number in spikes.items() if not number]
    return [f"silent: {who_is_silent(quiet, spikes)} in {where}"] if quiet else []


def who_is_silent(quiet: Collection[str], populations: Collection[str]) -> str:
    """Silent ones among some populations, in words."""
    if len(quiet) == len(populations):
        return "no neuron spikes"
    verb = "does" if len(quiet) == 1 else "do"
    return f"{', '.join(quiet)} {verb} not spike"
