"""Recipes: everything that decides a training run, in one TOML file checked into typed objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, model_validator

from lsnn_neuro import migrations
from lsnn_neuro.bounded import TOML_MAX, in_a_line, parse_toml, read_text
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.network.config import NetworkConfig
from lsnn_neuro.registry import NETWORKS, SECTIONS, TASKS, unknown
from lsnn_neuro.section import Section
from lsnn_neuro.training.config import TrainingConfig

if TYPE_CHECKING:
    from importlib.abc import Traversable  # elsewhere on Python 3.14


class Recipe(BaseModel):
    """A named training run: what a recipe's file says, checked. A time step is 1 ms.

    Made by :func:`load_recipe`; RecipeError tells all that is wrong with one.

    - seed: of all random numbers; task, network, training: the sections, typed
    """

    model_config = Section.model_config

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0, lt=2**63)
    task: SerializeAsAny[Any]
    network: SerializeAsAny[NetworkConfig]
    training: TrainingConfig
    further: dict[str, SerializeAsAny[Section]] = Field(
        default_factory=dict, description="all other sections, by name"
    )

    @model_validator(mode="after")
    def _sections_go_together(self) -> Recipe:
        for section in self.sections():
            section.check(self)
        return self

    def sections(self) -> Iterator[Section]:
        """All of them."""
        yield from (self.task, self.network, self.training, *self.further.values())

    def named_sections(self) -> Iterator[tuple[str, Section]]:
        """All of them, by name, in the order in which a file has them."""
        yield "task", self.task
        yield "network", self.network
        for name in SECTIONS:
            if name == "training":
                yield name, self.training
            elif name in self.further:
                yield name, self.further[name]

    def section(self, name: str) -> Any:
        """A section of those that a recipe may leave out; None where it has."""
        return self.further.get(name)

    def model(self, network: Any) -> Any:
        """The network as it is trained: sections may put another forward pass around it."""
        for section in self.sections():
            network = section.wrap(network)
        return network

    def objective(self, task: Any, device: Any) -> Any:
        """What trains the task, if it is not its labels that do."""
        made = (section.objective(task, self, device) for section in self.sections())
        return next((objective for objective in made if objective is not None), None)

    def to_dict(self, mode: Literal["python", "json"] = "python") -> dict[str, Any]:
        """The recipe as it stands in a file: names, numbers and lists, by section."""
        values = self.model_dump(mode=mode, exclude_none=True)
        further, training = values.pop("further"), values.pop("training")
        known = [n for n in SECTIONS if n in further or n == "training"]
        return values | {n: training if n == "training" else further[n] for n in known}

    def to_toml(self) -> str:
        """The recipe as TOML, every field spelled out."""
        return tomli_w.dumps(self.to_dict())

    def same_run(self, other: Recipe, iteration: int) -> bool:
        """Whether a run of the other recipe that has come to an iteration can go on with this one."""
        return self.change(other, iteration) is None

    def change(self, other: Recipe, iteration: int) -> str | None:
        """Why a run of the other recipe that has come to an iteration can't go on with this one.

        Only when and where the training ends may differ: the learning rates up to here must agree.
        """
        new, old = (dict(_flat(r.to_dict())) for r in (self, other))
        end = {f"training.{name}" for name in ("stop_at_accuracy", "iterations", "restarts")}
        changed = [k for k in dict.fromkeys([*old, *new]) if old.get(k) != new.get(k)]
        said = [f"{k} was {old.get(k, 'not set')}, is {new.get(k, 'not set')}" for k in changed]
        if not set(changed) <= end:
            return "; ".join(text for k, text in zip(changed, said, strict=True) if k not in end)
        if not changed:
            return None
        from lsnn_neuro.training.optimizers import Schedule

        one, two = Schedule(other.training), Schedule(self.training)
        for i in range(iteration):
            if one.at(i) != two.at(i):
                rates = [schedule.at(i)[0]["lr"] for schedule in (one, two)]
                return (
                    f"{'; '.join(said)}, which would change learning rates that were used: in iteration "
                    f"{i + 1} it was {rates[0]:.6g}, would be {rates[1]:.6g}"
                )
        return None


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Fields by their whole names, as ``training.optimizer.name``."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def built_in() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    files = _built_in_folder().iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".toml")))


def _built_in_folder() -> Traversable:
    """Inside the installed package, or beside it in a source tree."""
    installed = resources.files("lsnn_neuro") / "recipes"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "recipes"


def recipe_file(source: str | Path) -> Path | None:
    """The file in which a recipe is: a .toml file, or that of a run's or model's folder; None if built in.

    RecipeError over what can't be any of them.
    """
    path = Path(source)
    if str(source) in built_in():
        return None
    if path.is_dir():
        return path / "recipe.toml"
    if path.suffix == ".toml":
        return path
    if len(path.parts) > 1:
        raise RecipeError(
            f"{path}: no such folder; give a run folder, or a recipe's .toml file or name"
        )
    raise RecipeError(
        f"no recipe {unknown(str(source), built_in())}; or give a .toml file or a run folder"
    )


def load_recipe(
    source: str | Path, overrides: Iterable[str] = (), *, sections: Iterable[str] = ()
) -> Recipe:
    """Read a recipe from a TOML file, from a run's or model's folder, or by the name of a built-in one.

    - overrides: ``section.field=value`` texts, the value in TOML notation (a bare word is a string)
    - sections: sections that are to be there, with their defaults where the recipe leaves them out

    Raises RecipeError over a file that can't be read, and over all that is wrong in it at once.
    """
    path = recipe_file(source)
    if path is None:
        text = _built_in_folder().joinpath(f"{source}.toml").read_text("utf-8")
    elif not path.is_file():
        raise RecipeError(f"{path}: no such recipe file")
    else:
        text = read_text(path, str(path), RecipeError, most=TOML_MAX)
    try:
        data = migrations.recipe(parse_toml(text))
    except ValueError as error:
        raise RecipeError(f"{source}: not valid TOML ({in_a_line(error)})") from error
    for override in overrides:
        _override(data, override)
    for name in sections:
        data.setdefault(name, {})
    return parse_recipe(data, str(source))


def parse_recipe(data: Mapping[str, Any], source: str) -> Recipe:
    """Check a recipe given as a dictionary; ``source`` names it in errors, of which all are told."""
    fields: dict[str, Any] = {"network": {}} | migrations.recipe(data)
    found: dict[str, Any] = {"further": {}}
    problems: list[str] = []
    for name, value in fields.items():
        if name in ("name", "seed"):
            found[name] = value
            continue
        try:
            kind = _class_of(name, value)
            section = kind.model_validate(value)
        except RecipeError as error:
            problems.append(f"{name}: {error}")
        except ValidationError as error:
            problems += _said(error, kind, (name,))
        else:
            (found if name in Recipe.model_fields else found["further"])[name] = section
    try:
        recipe = Recipe.model_validate(found)
    except ValidationError as error:
        problems = [*_said(error, Recipe, without=fields.keys() - found.keys()), *problems]
    if problems:
        raise RecipeError(f"{source}: {'; '.join(problems)}")
    return recipe


def _class_of(name: str, value: Any) -> type[Section]:
    """The class of a section; RecipeError over an unknown name."""
    if name not in (*SECTIONS, "task", "network"):
        known = ["name", "seed", "task", "network", *SECTIONS]
        raise RecipeError(f"there is no such section or field {like(name, known)}, got {value!r}")
    if not isinstance(value, Mapping):
        raise RecipeError(f"is no section, got {value!r}")
    kind: type[Section]
    if name == "network":
        kind = NETWORKS[str(value.get("kind", "lsnn"))]
    elif name == "task" and "name" not in value:
        raise RecipeError(f"has no name; there are {', '.join(TASKS)}")
    elif name == "task":
        kind = TASKS[str(value["name"])].Config
    else:
        kind = SECTIONS[name]
    return kind


def like(name: str, known: Iterable[str]) -> str:
    """A suggestion for a name that is none, or what there is."""
    names = list(dict.fromkeys(known))
    close = [n for n in names if n.lower() == name.lower()] or get_close_matches(name, names, n=1)
    return f"(did you mean {close[0]}?)" if close else f"(there are {', '.join(names)})"


def _fields(of: Any) -> Iterator[str]:
    """The names of a section's fields, and of those of the sections in it."""
    if get_origin(of) is None and isinstance(of, type) and issubclass(of, BaseModel):
        yield from of.model_fields
        for field in of.model_fields.values():
            yield from _fields(field.annotation)
    for inner in get_args(of):
        yield from _fields(inner)


def _said(
    error: ValidationError, kind: type[BaseModel], within: tuple[str, ...] = (),
    *, without: Collection[object] = (),
) -> Iterator[str]:  # fmt: skip
    """What pydantic has to say of a section, in a recipe's words: where, what is wrong, which value.

    Of alternatives (a number or a range) it tells one; ``without``: sections that are wrong themselves.
    """
    told = set()
    for one in error.errors():
        words = [*within, *one["loc"]]
        where = (
            ".".join(map(str, _place(words, one["type"], {*within, *_fields(kind)}))) or "recipe"
        )
        if where in told or (words and words[0] in without):
            continue
        told.add(where)
        said = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            said = f"there is no such field {like(str(one['loc'][-1]), _fields(kind))}"
        got = "" if isinstance(one["input"], Mapping | BaseModel) else f", got {one['input']!r}"
        yield f"{where}: {said}{got}"


def _place(words: list[Any], fault: str, fields: Collection[str]) -> list[Any]:
    """A field by its names; what pydantic adds to them (which of several types it tried) is left out."""
    if fault == "extra_forbidden":
        return words
    return list(takewhile(lambda word: isinstance(word, int) or word in fields, words))


def _override(data: dict[str, Any], override: str) -> None:
    """Set one field of a nested dictionary from ``section.field=value``."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r}: expected section.field=value")
    try:
        value = parse_toml(f"x = {text}")["x"]
    except ValueError:
        value = text
    *sections, field = key.strip().split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise RecipeError(f"--set {override!r}: {section!r} is a value, not a section")
    data[field] = value
