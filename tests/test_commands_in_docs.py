"""Commands and Python that a page shows run as they are written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from data_files import shd, signals, words
from test_docs import DOORS

from cli import main
from deploy import Netx
from lsnn_neuro.data.cache import cache_folder
from lsnn_neuro.data.idx import idx_bytes
from lsnn_neuro.data.mnist import SHA256, load_images
from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.registry import TASKS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", re.S | re.M)
SHELL = ("", "sh", "bash", "console")
COMMAND = "lsnn-neuro"


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The blocks of a page: language, text."""
    for match in BLOCK.finditer(page.read_text()):
        yield match[1], match[2]


def commands(text: str) -> list[str]:
    """The lines of a block that call the command, without a prompt."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line.split(" ")[0] == COMMAND]


def shown(page: Path) -> list[str]:
    """All commands in a page's blocks."""
    return [line for language, text in blocks(page) if language in SHELL for line in commands(text)]


def mentioned(page: Path) -> list[str]:
    """All commands in a page's sentences."""
    text = BLOCK.sub("", page.read_text())
    found = (" ".join(words.split()) for words in re.findall(r"`([^`]+)`", text))
    return [line for line in found if line.split(" ")[0] == COMMAND]


def arguments(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def of_group(words: list[str]) -> tuple[click.Command, list[str], click.Context]:
    """The command that some words name, the words that follow, and the context around."""
    command, context = main, click.Context(main, info_name=COMMAND)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    return command, words, context


CASES = [(page, line) for page in PAGES for line in dict.fromkeys(shown(page))]
SPOKEN = [(page, line) for page in PAGES for line in dict.fromkeys(mentioned(page))]


def names(value: object) -> str:
    return value.name if isinstance(value, Path) else str(value)


def test_pages_have_commands() -> None:
    assert len(CASES) > 30
    assert len(SPOKEN) > 5


@pytest.mark.parametrize(("page", "line"), CASES, ids=names)
def test_a_command_in_a_block_is_complete(page: Path, line: str) -> None:
    command, words, around = of_group(arguments(line))
    assert command is not main
    command.make_context(command.name, words, parent=around.parent)


@pytest.mark.parametrize(("page", "line"), SPOKEN, ids=names)
def test_a_command_in_a_sentence_has_its_options(page: Path, line: str) -> None:
    command, words, context = of_group(arguments(line))
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_what_else_a_block_calls_is_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for language, text in blocks(page):
        for line in text.splitlines() if language in SHELL else ():
            words = shlex.split(line, comments=True) if line.strip().startswith("make ") else []
            for target in [word for word in words[1:] if "=" not in word]:
                assert f"\n{target}:" in makefile, line
            for file in re.findall(r"python ((?:examples|benchmarks)/\S+\.py)", line):
                assert (ROOT / file).is_file(), file


# --- run as they are written


def out_of_reach(language: str, line: str) -> str | None:
    """Why a command, or a block of Python, can't run here; None if it can."""
    if ("# lava-dl" in line or "--target netx" in line) and Netx().unavailable():
        return "lava-dl is not installed"
    if language == "python":
        framework = line.split("\n")[0].removeprefix("# ")
        if framework in ("snntorch", "norse", "rockpool") and not find_spec(framework):
            return f"{framework} is not installed; `make interchange` runs it"
        return "lava-loihi is not installed" if "# lava-loihi" in line else None
    if "--target loihi2" in line:
        return "no chip"
    wants_mnist = "data fetch mnist" in line or any(
        _task_data(word) == "mnist" for word in line.split() if "--inputs" not in line
    )
    wants_mnist &= not line.startswith((f"{COMMAND} recipe", f"{COMMAND} inspect"))
    if wants_mnist and not all((cache_folder() / "mnist" / name).is_file() for name in SHA256):
        return "MNIST has not been fetched"
    return None


def _task_data(word: str) -> str | None:
    """Where a recipe or a committed model reads its data."""
    recipe = ROOT / word / "recipe.toml" if word.startswith("models/") else None
    recipe = recipe or ROOT / "recipes" / f"{word}.toml"
    found = re.search(r'^data = "(.*)"', recipe.read_text(), re.M) if recipe.is_file() else None
    return found[1] if found else None


def in_steps(file: Path) -> Path:
    """Signals with a label in every step."""
    return signals(file, each_step=True)


def make_fashion(folder: Path) -> None:
    """A folder of IDX files, as a reader has one."""
    folder.mkdir()
    splits, files = load_images(), list(SHA256)
    for part, (images, labels) in (
        (splits.train, files[:2]),
        (splits.test, files[2:]),
    ):
        (folder / images).write_bytes(idx_bytes(part.images))
        (folder / labels).write_bytes(idx_bytes(part.labels.astype("uint8")))


MAKERS = {"FASHION": make_fashion, "words.h5": shd, "sounds": words, "waves.npz": in_steps}
"""What readers have on their disk, by the name that a page gives it."""


def write_recipes(page: Path, folder: Path) -> None:
    """The recipes among a page's blocks, whose first line is a comment with the name of a file."""
    for language, text in blocks(page):
        name = re.match(r"# (\w+\.toml)\n", text)
        if language == "toml" and name and "[task]" in text:
            (folder / name[1]).write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if shown(p)], ids=names)
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    for name in ("models", "recipes"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in [name for name in MAKERS if name in page.read_text()]:
        MAKERS[name](tmp_path / name)
    write_recipes(page, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    left_out, ran = [], 0
    for language, text in blocks(page):
        calls: list[tuple[str, list[str]]] = []
        if language in SHELL:
            calls = [(c, [str(ROOT / "cli.py"), *arguments(c)]) for c in commands(text)]
        elif language == "python" and page.name not in DOORS:
            calls = [(text, ["-c", text])]
        for shown_as, call in calls:
            if reason := out_of_reach(language, shown_as):
                left_out.append(f"{shown_as.splitlines()[0]}: {reason}")
                continue
            done = subprocess.run(
                [sys.executable, *call], cwd=tmp_path, env=environment, capture_output=True, text=True,
                timeout=600, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{shown_as}\n{done.stdout}\n{done.stderr}"
            ran += 1
    print("\n".join(left_out))
    if not ran:
        pytest.skip("; ".join(left_out))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_a_recipe_that_a_page_shows_is_one(page: Path, tmp_path: Path) -> None:
    write_recipes(page, tmp_path)
    for file in tmp_path.iterdir():
        assert load_recipe(file).name == file.stem


def test_the_tasks_that_read_data_are_in_the_page_about_data() -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    for name in TASKS:
        with suppress(KeyError):
            TASKS[name].Config.model_fields["data"]
            assert f"| `{name}` |" in page
