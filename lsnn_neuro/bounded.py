"""What somebody else wrote: read and unpacked up to a size, and parsed up to a depth.

JSON and TOML may nest so deeply that Python's stack ends, and hold numbers of any length. What is deeper,
longer or larger than anything of ours is refused here, once, so that those who read it can go through it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from lsnn_neuro.errors import LSNNError

TEXT_MAX = 2**26
"""Bytes of a text file, at most; a log has about 200 for each iteration."""
TOML_MAX = 2**18
"""Bytes of a recipe or a chip, at most."""
DEPTH_MAX = 32
"""Tables and lists within one another."""
LINE_MAX = 300
"""Characters of what a library says of a file; it may repeat the whole file."""
DIGITS_MAX = 100
"""Of a whole number; the state of a random number generator has 39."""


def is_file(path: Path) -> bool:
    """Whether there is such a file; there is none of a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def in_a_line(reason: BaseException | str) -> str:
    """What an error of a library, or a file, says, in one line of a length that can be read."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]} ..."


def read_text(
    path: Path, what: str, error: type[LSNNError], *, encoding: str = "utf-8-sig", most: int = TEXT_MAX
) -> str:  # fmt: skip
    """The text of a file, unpacked if it ends in .gz, without the byte order mark of some editors.

    - what: how messages call the file; error: what is raised over one that is too large, or no text
    """
    try:
        if not path.is_file():
            raise error(f"{what}: no such file")
        if (size := path.stat().st_size) > most:
            raise error(f"{what}: has {size} bytes, allowed are {most}")
        data = unpacked(path, most) if path.suffix == ".gz" else path.read_bytes()
        return data.decode(encoding)
    except (OSError, EOFError, ValueError) as reason:
        raise error(f"{what}: can't be read ({in_a_line(reason)})") from reason


def unpacked(path: Path, most: int) -> bytes:
    """What is in a gzip file; ValueError over more bytes than ``most``, OSError or EOFError if broken."""
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) > most:
        raise ValueError(f"unpacks to over {most} bytes")
    return content


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says; ValueError over anything that is none, or is nested too deeply."""
    try:
        found = json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEPTH_MAX} deep") from error
    _check_depth(found)
    return found


def parse_table(text: str | bytes) -> dict[str, Any]:
    """What a JSON text says that is a table of names; ValueError over anything else."""
    found = parse_json(text)
    if type(found) is not dict:
        raise ValueError(f"is a {type(found).__name__}, expected names with values")
    return found


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text says; ValueError over anything that is none, or is nested too deeply."""
    if len(text) > TOML_MAX:
        raise ValueError(f"{len(text)} characters, allowed are {TOML_MAX}")
    try:
        found = tomli.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEPTH_MAX} deep") from error
    _check_depth(found)
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError(f"a number of {len(digits)} digits, allowed are {DIGITS_MAX}")
    return int(digits)


def _check_depth(found: Any) -> None:
    """Refuse what lies too deep for functions that call themselves for every level."""
    level = [found] if isinstance(found, dict | list) else []
    for _ in range(DEPTH_MAX):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return
    raise ValueError(f"nested more than {DEPTH_MAX} deep")


def _within(outer: Any) -> list[Any]:
    """The tables and lists in a table or list."""
    values = outer.values() if isinstance(outer, Mapping) else outer
    return [value for value in values if isinstance(value, dict | list)]
