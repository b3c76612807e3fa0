"""Splits: which samples train, which validate, which are kept for the test.

By file (another file or folder beside the training one), by a share drawn with a seed, or by group (all
samples of a speaker, say). Where groups are known, a share is made of whole groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import plain
from lsnn_neuro.data.samples import Samples
from lsnn_neuro.errors import DataError

IntArray = npt.NDArray[np.int64]
Rule = str | float | Sequence[str] | Samples
"""A file, a share, groups, or samples that are there already."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Some of the samples of a source.

    - index: which, shape (sample,); about: how they were chosen, for people
    """

    samples: Samples
    index: IntArray
    about: str

    def __len__(self) -> int:
        return len(self.index)


def split(
    base: Samples, rules: Mapping[str, Rule], open_file: Callable[[str], Samples], *, seed: int
) -> dict[str, Part]:
    """Take the held-out parts from the samples, or from files of their own; what is left trains.

    - rules: of each held-out part, the test split first
    - open_file: opens the file of a part by its name
    """
    left = np.arange(len(base))
    parts: dict[str, Part] = {}
    opened = {"train": base}
    for key, (name, rule) in enumerate(rules.items()):
        if isinstance(rule, str | Samples):
            samples = open_file(rule) if isinstance(rule, str) else rule
            _check_other(samples, opened, f"task.{name}")
            opened[name] = samples
            index, about = np.arange(len(samples)), f"all of {samples.title}"
        elif isinstance(rule, float):
            samples = base
            index = _share(base, left, rule, np.random.default_rng([seed, key]), f"task.{name}")
            what = " in whole groups" if base.groups else ""
            about = f"{rule:.4g} of {base.title}, drawn{what} with seed {seed}"
        else:
            samples, index = base, _of_groups(base, left, rule, f"task.{name}")
            about = f"{', '.join(rule)} of {base.title}"
        if samples is base:
            left = np.setdiff1d(left, index)
        parts[name] = Part(samples=samples, index=index, about=about)
    if not len(left):
        raise DataError(f"{base.name}: no samples are left to train on; hold out fewer")
    rest = "all" if len(left) == len(base) else "the rest"
    return {"train": Part(samples=base, index=left, about=f"{rest} of {base.title}"), **parts}


def described(parts: Mapping[str, Part]) -> str:
    """The splits in words."""
    return "; ".join(f"{name}: {len(p)} samples, {p.about}" for name, p in parts.items())


def _check_other(samples: Samples, opened: Mapping[str, Samples], field: str) -> None:
    """Refuse samples that another split reads too, under whatever name."""
    for split_name, other in opened.items():
        if samples.origins & other.origins:
            raise DataError(
                f"{samples.name}: {field} reads what the {split_name} split reads, {other.name}; name "
                "another file, or a share of the training samples"
            )


def _share(
    base: Samples, left: IntArray, share: float, rng: np.random.Generator, field: str
) -> IntArray:
    """A share of all samples, of those that are left: whole groups where there are groups."""
    wanted = max(1, round(share * len(base)))
    if wanted >= len(left):
        raise DataError(
            f"{base.name}: {field} = {share:g} takes {wanted} of the {len(left)} samples that are left; "
            "choose a smaller share"
        )
    if base.groups is None:
        return np.sort(rng.permutation(left)[:wanted])
    of_sample = np.array(base.groups)
    taken: list[IntArray] = []
    names = np.unique(of_sample[left])
    for group in rng.permutation(names)[: len(names) - 1]:  # one is left to train on
        if sum(map(len, taken)) >= wanted:
            break
        taken.append(left[of_sample[left] == group])
    if not taken:
        raise DataError(
            f"{base.name}: {field} = {share:g} of whole groups, but only group {plain(names[0])!r} is left; "
            "leave task.groups out"
        )
    return np.sort(np.concatenate(taken))


def _of_groups(base: Samples, left: IntArray, groups: Sequence[str], field: str) -> IntArray:
    """All samples of some groups."""
    if base.groups is None:
        raise DataError(
            f"{base.name}: {field} names groups, but which sample belongs to which is not known; say it by "
            "task.groups"
        )
    there = set(base.groups)
    for group in groups:
        if group not in there:
            raise DataError(
                f"{base.name}: {field} names group {group!r}; there are {', '.join(sorted(there))}"
            )
    of_sample = np.array(base.groups)
    untaken = set(of_sample[left].tolist())
    for group in groups:
        if group not in untaken:
            raise DataError(
                f"{base.name}: {field} names group {group!r}, which another split has; left are "
                f"{', '.join(sorted(untaken)) or 'none'}"
            )
    return left[np.isin(of_sample[left], list(groups))]
