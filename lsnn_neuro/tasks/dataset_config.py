"""What recipes say of tasks made of samples: where they are, how they are split, what is to be answered."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lsnn_neuro.tasks.augmentation import AugmentationConfig
from lsnn_neuro.tasks.targets import MOST_OUTPUTS, Answer

Held = str | float | tuple[str, ...]
"""What is held out: a file or folder, a share, or groups."""


class DatasetConfig(AugmentationConfig):
    """Settings of tasks made of files."""

    groups: str | int | None = None
    data: str = Field(min_length=1, description="the file, or the folder that holds the files")
    train: str | None = Field(
        None, description="file or folder in task.data to train on; by default task.data itself"
    )
    test: Held = Field(
        0.2,
        description="what is kept for the test: another file or folder in task.data, a share, or a list "
        "of groups",
    )
    validation: Held = Field(
        0.1, description="what is held out for validation, as task.test; shares are of all samples"
    )
    split_seed: int = Field(0, ge=0, description="seed by which shares are drawn")
    decision: Literal["sample", "step"] = Field(
        "sample", description="one decision a sample, or one in each step"
    )
    answer: Literal["class", "number"] = Field(
        "class", description="a class, or numbers to be predicted"
    )
    classes: int | tuple[str, ...] | None = Field(
        None, description="number of classes, or their names in order; by default what the data say"
    )
    unlabelled: Literal["refuse", "skip"] = Field(
        "refuse",
        description="what has no label (-1, one-hot of zeros, an empty name, NaN) is refused, or is neither "
        "trained nor scored",
    )
    unlabelled_also_as: int | None = Field(
        None,
        ge=0,
        description="class that unlabelled steps count as in a second score, as some publications have it",
    )
    decision_steps: int | None = Field(
        None, ge=1, description="steps at the end whose readout decides on a sample; by default all"
    )
    lag_steps: int = Field(
        0, ge=0, le=10_000, description="steps by which decisions come later than the data"
    )

    @field_validator("test", "validation", mode="after")
    @classmethod
    def _share(cls, rule: Held) -> Held:
        if isinstance(rule, float) and not 0 < rule < 1:
            raise ValueError(f"a share of {rule:g} must lie between 0 and 1")
        if rule == ():
            raise ValueError("no groups in the list; name at least one, or give a share")
        return rule

    @field_validator("train", "test", "validation", mode="after")
    @classmethod
    def _inside(cls, name: Held | None) -> Held | None:
        """Whoever names the folder by --data names all that is opened: files lie in it."""
        if isinstance(name, str) and (
            not name or PurePath(name).is_absolute() or ".." in PurePath(name).parts
        ):
            raise ValueError(f"{name!r} must be the name of a file or folder in task.data")
        return name

    @model_validator(mode="after")
    def _decisions(self) -> DatasetConfig:
        if self.decision == "step" and (self.shift_steps or self.decision_steps):
            raise ValueError(
                f"shift_steps is {self.shift_steps} and decision_steps {self.decision_steps}: decisions in "
                "each step have their own times; leave both out"
            )
        if self.unlabelled_also_as is not None and (
            self.unlabelled != "skip" or self.answer != "class"
        ):
            raise ValueError(
                'unlabelled_also_as is a class, for answer = "class" and unlabelled = "skip"; leave it out'
            )
        if self.answer == "number" and self.classes is not None:
            raise ValueError(f"classes is {self.classes!r}, but numbers are answered; leave it out")
        return self

    @field_validator("labels", "groups", mode="after", check_fields=False)
    @classmethod
    def _name_part(cls, value: str | int | None) -> str | int | None:
        if isinstance(value, int) and value < 0:
            raise ValueError(f"part {value} of a file's name; they count from 0")
        return value

    @field_validator("classes", mode="after")
    @classmethod
    def _names(cls, classes: int | tuple[str, ...] | None) -> int | tuple[str, ...] | None:
        number = len(classes) if isinstance(classes, tuple) else classes
        if number is not None and not 1 <= number <= MOST_OUTPUTS:
            raise ValueError(f"{number} classes, allowed are 1 to {MOST_OUTPUTS}")
        if isinstance(classes, tuple):
            if "" in classes:
                raise ValueError("an empty name stands for no label; give every class a name")
            if len(set(classes)) < len(classes):
                raise ValueError("two of them have the same name")
        return classes

    @property
    def asked(self) -> Answer:
        """What is to be answered."""
        return Answer(
            each_step=self.decision == "step", numbers=self.answer == "number",
            skip=self.unlabelled == "skip",
        )  # fmt: skip
