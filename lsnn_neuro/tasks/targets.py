"""What data say should be answered, checked: classes or numbers, one of a sample or one of each step.

Classes come as whole numbers (-1: no label), as one-hot rows (all 0: no label) or as names (an empty one: no
label); numbers as they are (NaN: no label). What is none of that is named by file and index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.data.samples import Samples, texts
from lsnn_neuro.errors import DataError

UNLABELLED = -1
"""The class of what has no label."""
MOST_OUTPUTS = 10_000
"""Outputs of a task, at most: a label beyond is a mistake, not a class."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The kind of answer that data ask for.

    - each_step: one decision a step, else one a sample
    - numbers: numbers to be predicted, else classes
    - skip: what has no label is left out; else it is refused
    """

    each_step: bool
    numbers: bool
    skip: bool


def class_targets(samples: Samples, answer: Answer, names: Sequence[str] = ()) -> npt.NDArray[Any]:
    """The classes of some samples, UNLABELLED where there is none.

    - names: of the classes, where labels are names, or numbers of classes that the file names; an unknown
      one is refused
    - returns: int64, shape (sample,), or (sample, time) of a decision in each step
    """
    labels = samples.labels
    wanted = 1 + answer.each_step
    if labels.dtype.kind in "SU" and labels.ndim == wanted:
        found = _of_names(samples, names)
        _check_labelled(samples, found == UNLABELLED, answer, labels)
        return found
    if labels.dtype.kind not in "biuf" or labels.ndim not in (wanted, wanted + 1):
        what = "(sample, time)" if answer.each_step else "(sample,)"
        raise DataError(
            f"{samples.name}: labels are {labels.dtype} of shape {labels.shape}, expected classes of shape "
            f"{what}, or one-hot rows with one axis more; see task.decision and task.answer"
        )
    classes = _of_one_hot(samples) if labels.ndim > wanted else labels
    whole = np.isfinite(classes) & (classes == np.floor(classes))
    wrong = ~(whole & (classes >= UNLABELLED) & (classes < MOST_OUTPUTS))
    if wrong.any():
        where, index = _first(samples, wrong)
        raise DataError(
            f"{where}: its label is {classes[index]}, expected a class from 0 to {MOST_OUTPUTS - 1}, or "
            "-1 for none"
        )
    found = classes.astype(np.int64)
    _check_labelled(samples, found == UNLABELLED, answer, labels)
    return _by_name(samples, found, names) if samples.class_names else found


def number_targets(samples: Samples, answer: Answer) -> npt.NDArray[np.float64]:
    """The numbers of some samples, (sample, output) or (sample, time, output); NaN where there is none."""
    labels, wanted = samples.labels, 1 + answer.each_step
    if labels.dtype.kind not in "biuf" or labels.ndim not in (wanted, wanted + 1):
        what = "(sample, time)" if answer.each_step else "(sample,)"
        raise DataError(
            f"{samples.name}: labels are {labels.dtype} of shape {labels.shape}, expected numbers of shape "
            f"{what}, or with an axis of outputs more; see task.decision and task.answer"
        )
    numbers = labels.astype(np.float64)
    numbers = numbers[..., None] if labels.ndim == wanted else numbers
    infinite = np.isinf(numbers).any(axis=-1)
    if infinite.any():
        raise DataError(f"{_first(samples, infinite)[0]}: its label is infinite")
    _check_labelled(samples, np.isnan(numbers).any(axis=-1), answer, labels)
    return numbers


def check_classes(samples: Samples, classes: npt.NDArray[Any], n_classes: int) -> None:
    """Refuse a class that is none of so many."""
    beyond = classes >= n_classes
    if beyond.any():
        where, index = _first(samples, beyond)
        raise DataError(
            f"{where}: its label is {classes[index]}, but there are {n_classes} classes, 0 to "
            f"{n_classes - 1}; mend it, or say task.classes"
        )


def count_classes(samples: Samples, classes: npt.NDArray[Any]) -> int:
    """One more than the largest class; DataError where a class below it has no sample."""
    largest = int(classes.max())
    if largest < MOST_OUTPUTS and (absent := absent_classes(classes, largest + 1)):
        where, _ = _first(samples, classes == largest)
        raise DataError(
            f"{where}: its label is {largest}{absent}; mend it, or say task.classes = {largest + 1}"
        )
    return largest + 1


def absent_classes(there: npt.NDArray[np.int64], n_classes: int) -> str:
    """Which classes are not among those ``there``, in words for people; at most five are listed."""
    absent = np.setdiff1d(np.arange(n_classes), there)
    if not len(absent):
        return ""
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    return f"; no training sample of class {', '.join(map(str, absent[:5]))}{more}"


def check_names(sources: Sequence[Samples], names: Sequence[str], *, said: bool) -> None:
    """Refuse numbers of classes without names beside such of classes with names: nobody knows the order.

    - said: the names come from task.classes, so numbers count those
    """
    for samples in sources:
        own = samples.class_names
        if len(set(own)) < len(own):
            twice = next(name for i, name in enumerate(own) if name in own[:i])
            raise DataError(f"{samples.name}: two classes have the name {twice!r}; rename one")
        if names and not (said or own or samples.labels.dtype.kind in "SU"):
            raise DataError(
                f"{samples.name}: its labels are numbers, but the classes have names in another file "
                f"({', '.join(names)}); name them in this one too, or say task.classes"
            )


def _by_name(
    samples: Samples, found: npt.NDArray[np.int64], names: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Classes in the order of ``names``, of numbers that count a file's own names."""
    own = samples.class_names
    check_classes(samples, found, len(own))
    for name in own:
        if name not in names:
            raise DataError(
                f"{samples.name}: names the class {name!r}; the classes are "
                f"{', '.join(names) or 'not named'}; name the same in every file, or say task.classes"
            )
    order = np.array([*map(list(names).index, own), UNLABELLED])  # -1, no label, is the last
    return order[found]


def _of_names(samples: Samples, names: Sequence[str]) -> npt.NDArray[np.int64]:
    index = {name: i for i, name in enumerate(names)}
    shape = samples.labels.shape
    labels = texts(samples.labels, f"{samples.name}: labels")
    for place, label in enumerate(labels):
        if label and label not in index:
            sample = int(np.unravel_index(place, shape)[0])
            raise DataError(
                f"{samples.at(sample)}: its label is {label!r}; the classes are {', '.join(names)}"
            )
    classes = [index.get(label, UNLABELLED) for label in labels]
    return np.array(classes, np.int64).reshape(shape)


def _of_one_hot(samples: Samples) -> npt.NDArray[Any]:
    """The class of each one-hot row, UNLABELLED where it is all 0."""
    rows = samples.labels
    if not rows.shape[-1]:
        raise DataError(
            f"{samples.name}: its labels have shape {rows.shape}, so there are no classes"
        )
    ones = (rows == 1).sum(axis=-1)
    wrong = ((rows != 0) & (rows != 1)).any(axis=-1) | (ones > 1)
    if wrong.any():
        where, index = _first(samples, wrong)
        raise DataError(
            f"{where}: its label is {rows[index].tolist()}, expected one-hot: a single 1, or all 0 for none"
        )
    return np.where(ones == 0, UNLABELLED, rows.argmax(axis=-1))


def _check_labelled(
    samples: Samples, without: npt.NDArray[np.bool_], answer: Answer, labels: npt.NDArray[Any]
) -> None:
    """Refuse what has no label, unless that is to be left out."""
    if without.all():
        raise DataError(f"{samples.name}: no label in it; see task.labels")
    if without.any() and not answer.skip:
        where, index = _first(samples, without)
        raise DataError(
            f"{where}: has no label ({labels[index].tolist()}); mend it, or leave what has none out of "
            'training and scores: task.unlabelled = "skip"'
        )


def _first(samples: Samples, wrong: npt.NDArray[np.bool_]) -> tuple[str, tuple[int, ...]]:
    """The place of the first of some labels, in words and as an index."""
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    step = f", step {index[1]}" if len(index) > 1 else ""
    return f"{samples.at(index[0])}{step}", index
