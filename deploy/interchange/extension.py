"""The network itself inside a file of another format, with all that this format can't express.

The extension is one array of bytes named :data:`EXTENSION`: the network's own file
(:mod:`quantize.file_format`, safetensors) as it is. Other tools pass over it. A file that carries it
is read back as an equal network, provided that what the format says in its own words still agrees.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsnn_neuro import files
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.parts import scratch_folder
from quantize import file_format
from quantize.network import QuantizedNetwork

EXTENSION = "lsnn_neuro_network"

Bytes = npt.NDArray[np.uint8]


def pack(network: QuantizedNetwork) -> Bytes:
    """A network's own file as an array of bytes."""
    with scratch_folder("network") as folder:
        file = folder / "network.safetensors"
        file_format.save(network, file)
        return np.frombuffer(file.read_bytes(), np.uint8)


def unpack(data: object, path: Path) -> QuantizedNetwork:
    """The network in an array of bytes; ``path`` is the file it was found in, for messages."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8:
        raise FileFormatError(f"{path}: {EXTENSION} is not an array of bytes; export it again")
    with scratch_folder("network") as folder:
        file = folder / "network.safetensors"
        files.write_bytes(file, data.tobytes())
        try:
            return file_format.load(file)
        except FileFormatError as error:
            raise FileFormatError(str(error).replace(str(file), f"{path}: {EXTENSION}")) from error
