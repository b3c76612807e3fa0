"""What is broken is read, or refused in one line by an error of ours; no reader is left out."""

from __future__ import annotations

import ast
import gzip
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import MEMORY, Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import EXEMPT, READERS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
NAMES = {
    "_by_scipy", "check_contents", "check_heaps", "contents_of", "csv.DictReader", "csv.reader",
    "files.read", "gzip.decompress", "gzip.open", "h5py.File", "json.load", "json.loads", "load_file",
    "loadmat", "mmap", "np.frombuffer", "np.fromfile", "np.genfromtxt", "np.load", "np.loadtxt",
    "np.memmap", "open_hdf5", "open_npz", "open_sound", "parse_json", "parse_table", "parse_toml",
    "pickle.load", "pickle.loads", "read", "read_npy", "read_text", "readable", "safe_open",
    "soundfile.SoundFile", "soundfile.info", "soundfile.read", "tomli.load", "tomli.loads",
    "torch.load", "unpacked", "read_mat", "whosmat", "zipfile.ZipFile",
}  # fmt: skip
"""What takes in a file, or the contents of one, as it stands in the code."""
METHODS = {"read_bytes", "read_text", "loadmat", "whosmat", "recv", "recv_bytes", "Unpickler"}


def takes_in(call: ast.Call) -> bool:
    """Whether a call reads a file, or parses what was read."""
    name = ast.unparse(call.func)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method == "open" and not name.startswith(("gzip.", "self.")):
        modes = [a.value for a in call.args if isinstance(a, ast.Constant)]
        return not call.args or any(str(m).startswith("r") for m in modes)
    if name in ("open", "os.open", "os.fdopen"):
        modes = [a.value for a in call.args[1:] if isinstance(a, ast.Constant)]
        return not any(str(m).startswith(("w", "a", "x")) for m in modes)
    return name in NAMES or method in METHODS or name in METHODS


def functions(tree: ast.AST, above: str = "") -> Iterator[tuple[str, ast.AST]]:
    """All functions by their names, those of classes too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield f"{above}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{above}{node.name}.")


def found_readers() -> Iterator[str]:
    """Every function of ours that takes in files, as ``module:name``."""
    for package in ("lsnn_neuro", "quantize", "deploy", "experiments", "cli.py"):
        path = ROOT / package
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for name, node in functions(ast.parse(file.read_text(encoding="utf-8"))):
                calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
                if any(map(takes_in, calls)):
                    yield f"{module}:{name}"


def test_every_function_that_takes_in_files_is_covered_by_a_reader() -> None:
    covered = {name for reader in READERS.values() for name in reader.covers}
    found = set(found_readers())
    assert len(found) > 40
    missing = {
        name
        for name in found - covered
        if name not in EXEMPT and f"{name.partition(':')[0]}:*" not in EXEMPT
    }
    assert not missing, "add them to a reader in tests/fuzz/readers.py"


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """Readers with their files, made when they are asked for."""
    folder = tmp_path_factory.mktemp("fuzz")

    class Made(dict[str, Bench]):
        def __missing__(self, name: str) -> Bench:
            self[name] = Bench(name, folder)
            return self[name]

    return Made()


def entered(bench: Bench) -> set[str]:
    """The functions of ours that are entered while a reader reads."""
    seen = set()

    def note(frame: Any, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(ROOT)) and "site-packages" not in file:
            first = frame.f_locals.get("self", frame.f_locals.get("cls"))
            name = frame.f_code.co_name
            module = ".".join(Path(file).relative_to(ROOT).with_suffix("").parts)
            kinds = first.__mro__ if isinstance(first, type) else type(first).__mro__
            seen.update([f"{module}:{name}", *(f"{module}:{k.__name__}.{name}" for k in kinds)])

    sys.setprofile(note)
    try:
        bench.reader.read(bench.folder)
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("name", READERS)
def test_a_reader_enters_what_it_covers(benches: dict[str, Bench], name: str) -> None:
    assert set(READERS[name].covers) <= entered(benches[name])


@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_read_or_refused_in_one_line(
    benches: dict[str, Bench], name: str
) -> None:
    bench = benches[name]

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def reads(rng: Any) -> None:
        file, data = bench.changed(rng)
        assert bench.escape(file, data) is None

    reads()


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*/*.gz")), ids=lambda f: f.stem)
def test_a_file_of_the_corpus_is_read_or_refused_in_one_line(
    benches: dict[str, Bench], file: Path
) -> None:
    bench = benches[file.parent.name]
    number, _, name = file.stem.partition("-")
    target = next(f for f in bench.reader.files(bench.folder) if f.name == name)
    assert number.isdigit()
    assert bench.escape(target, gzip.decompress(file.read_bytes())) is None


def test_a_case_that_takes_too_much_memory_is_an_escape(benches: dict[str, Bench]) -> None:
    bench = benches["recipe"]
    reader = bench.reader

    def takes(folder: Path) -> None:
        bytearray(2 * MEMORY)

    try:
        bench.reader = replace(reader, read=takes)
        file = reader.files(bench.folder)[0]
        assert str(bench.escape(file, file.read_bytes())).startswith("MemoryError")
    finally:
        bench.reader = reader


def test_every_reader_has_files_in_the_corpus() -> None:
    assert {folder.name for folder in CORPUS.iterdir() if any(folder.glob("*.gz"))} == set(READERS)


def test_the_corpus_is_small() -> None:
    assert 0 < sum(f.stat().st_size for f in CORPUS.rglob("*") if f.is_file()) < 200_000
