"""The table of mutants fits the code; ``make mutants`` runs it."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
from table import ROOT, Mutant, all_mutants

MUTANTS = all_mutants()


def test_every_mutant_fits_its_file_and_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= 40
    assert max(Counter(m.name for m in MUTANTS).values()) == 1
    places = {m.file.partition("/")[0] for m in MUTANTS}
    assert places == {"lsnn_neuro", "quantize", "native", "deploy"}


def test_a_mutant_that_does_not_fit_any_more_is_refused() -> None:
    mutant = Mutant(name="x", file="a.py", before="a + b", after="a - b", tests=("t",))
    assert mutant.applied("y = a + b") == "y = a - b"
    for text in ("y = a  + b", "a + b; a + b"):
        with pytest.raises(ValueError, match=r"a\.py.*'x'.*must be once"):
            mutant.applied(text)


def test_every_mutant_is_still_python() -> None:
    for mutant in MUTANTS:
        if mutant.file.endswith(".py"):
            ast.parse(mutant.applied((ROOT / mutant.file).read_text(encoding="utf-8")))


def test_every_mutant_names_tests_that_there_are() -> None:
    for test in {test for m in MUTANTS for test in m.tests}:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name.partition('[')[0] or 'test_'}", text, re.MULTILINE), test


def test_the_page_lists_every_mutant() -> None:
    page = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")
    assert [m.name for m in MUTANTS if f"| {m.name} |" not in page] == []
