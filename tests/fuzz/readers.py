"""Every reader of files: how a small good file is made, how it is read, and which errors are allowed.

``READERS`` is the table of the fuzz tests and of ``make fuzz``. ``covers`` names the functions that take in
what somebody else wrote; a test finds all of them in the code and fails over one that no reader covers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data_readers as data
import foreign_readers as foreign
import network_readers as networks

from lsnn_neuro.errors import DataError, FileFormatError, LSNNError, NetworkError, RecipeError


@dataclass(frozen=True)
class Reader:
    """A way in for files.

    - make: writes good ones into an empty folder; read: reads what is there
    - errors: what may come out; share: of all cases of a run, in parts
    - covers: functions, as ``module:name``; keep: names of files that stay as they are
    - mend: makes the hashes of a folder right again after a change
    """

    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    errors: tuple[type[LSNNError], ...]
    covers: tuple[str, ...]
    share: int = 4
    keep: tuple[str, ...] = ()
    mend: Callable[[Path], None] = lambda folder: None

    def files(self, folder: Path) -> list[Path]:
        """The files that may be changed."""
        found = (f for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in self.keep)
        return list(found)


OURS = (FileFormatError,)
WITH_RECIPE = (FileFormatError, RecipeError)
SEALED = ("lsnn_neuro.files:read", "lsnn_neuro.files:_about", "lsnn_neuro.files:_seal_of")
UNSEALED = (*SEALED[:2], "lsnn_neuro.checkpoint:Checkpoint.load")
CHECKPOINT = (*UNSEALED, *SEALED[2:])
NPZ = (
    "lsnn_neuro.data.npz:open_npz", "lsnn_neuro.data.npz:Archive.rows", "lsnn_neuro.data.npz:_header",
)  # fmt: skip
PACKED = (*NPZ, "lsnn_neuro.data.npz:_array")
NPY = ("lsnn_neuro.data.npz:read_npy",)
ROWS = ("lsnn_neuro.data.npz:StoredRows._read", "lsnn_neuro.data.npz:Archive._first")
TEXT = ("lsnn_neuro.bounded:read_text",)
JSON = (*TEXT, "lsnn_neuro.bounded:parse_json", "lsnn_neuro.bounded:parse_table")
TOML = (*TEXT, "lsnn_neuro.bounded:parse_toml")
HDF5 = (
    "lsnn_neuro.data.hdf5:open_hdf5",
    "lsnn_neuro.data.hdf5:check_heaps",
    "lsnn_neuro.data.hdf5:check_contents",
)
SOUND = (
    "lsnn_neuro.data.speech:open_sound",
    "lsnn_neuro.data.speech:_missing",
)

READERS: dict[str, Reader] = {
    "network": Reader(
        networks.make_network, networks.read_network, OURS,
        (*SEALED, "quantize.file_format:load", "lsnn_neuro.files:kind_of"),
        share=3,
    ),
    "checkpoint": Reader(networks.make_checkpoint, networks.read_checkpoint, WITH_RECIPE, CHECKPOINT),
    "old checkpoint": Reader(networks.make_old, networks.read_checkpoint, WITH_RECIPE, UNSEALED),
    "lstm": Reader(networks.make_lstm, networks.read_checkpoint, WITH_RECIPE, CHECKPOINT, share=2),
    "resumed run": Reader(networks.make_run, networks.read_run, WITH_RECIPE, CHECKPOINT, share=2),
    "imported": Reader(
        networks.make_imported, networks.read_imported, OURS,
        (*SEALED, "deploy.imported:Imported.load", "quantize.imported:read_spec"),
        share=2,
    ),
    "golden": Reader(
        networks.make_golden, networks.read_golden, OURS, (*SEALED, "deploy.artifact:load_golden"),
        share=6,
    ),
    "artifact": Reader(
        networks.make_artifact, networks.read_artifact, (FileFormatError, NetworkError, RecipeError),
        (
            *SEALED, *JSON, "deploy.artifact:Artifact.encoder",
            "deploy.artifact:Artifact.encoder_constants", "deploy.manifest:read_manifest",
            "deploy.manifest:hash_of", "lsnn_neuro.files:sha256",
        ),
        mend=networks.mend_artifact,
        share=2,
    ),
    "log": Reader(networks.make_log, networks.read_log, OURS, (*JSON, "deploy.publishing.log:read_metrics")),
    "packed log": Reader(
        networks.make_packed_log, networks.read_log, OURS, (*JSON, "lsnn_neuro.bounded:unpacked"),
    ),
    "resumed log": Reader(
        networks.make_log, networks.read_resumed_log, (LSNNError,),
        (*TEXT, "lsnn_neuro.training.callbacks:Log.start", "lsnn_neuro.training.callbacks:_iteration_of"),
    ),
    "card": Reader(networks.make_card, networks.read_card, OURS, (*JSON, "deploy.publishing.card:Card.load")),
    "recipe": Reader(
        networks.make_recipe, networks.read_recipe, (RecipeError,),
        (*TOML, "lsnn_neuro.recipe:load_recipe", "lsnn_neuro.recipe:_override"),
    ),
    "chip": Reader(
        networks.make_chip, networks.read_chip, (RecipeError,),
        (*TOML, "deploy.mapping.chips:load_chip", "deploy.mapping.chips:_parse"),
        share=6,
    ),
    "nir": Reader(
        foreign.make_nir, foreign.read_nir, (FileFormatError, NetworkError),
        (
            *HDF5, "deploy.interchange.nir:read", "deploy.interchange.nir_file:read_graph",
            "deploy.interchange.nir_file:_check_contents",
        ),
        share=3,
    ),
    "extended nir": Reader(
        foreign.make_extended, foreign.read_extended, (FileFormatError, NetworkError),
        (*HDF5, "deploy.interchange.extension:unpack"),
        share=1,
    ),
    "net": Reader(
        foreign.make_net, foreign.read_net, (FileFormatError, NetworkError),
        (
            *HDF5, "deploy.interchange.netx:load", "deploy.interchange.netx:read",
            "deploy.interchange.slayer:contents_of",
        ),
        share=3,
    ),
    "loihi1": Reader(
        foreign.make_loihi1, foreign.read_loihi1, OURS,
        (*NPY, "deploy.interchange.loihi1:_matrix"),
    ),
    "put": Reader(foreign.make_put, foreign.read_put, OURS, (*NPY, "deploy.interchange.reading:_value")),
    "inputs": Reader(
        data.make_inputs, data.read_inputs, (DataError,),
        (*PACKED, *NPY, "deploy.samples:read_array", "lsnn_neuro.data.npz:is_npz"),
        share=6,
    ),
    "source": Reader(
        data.make_source, data.read_source, (DataError,),
        (*NPZ, *ROWS, "deploy.samples:array_names", "deploy.source:SourceRun.read"),
        share=6,
    ),
    "recording": Reader(
        data.make_recording, data.read_recording, (DataError,),
        (*PACKED, "deploy.recording:_arrays", "deploy.recording:read_recording", "deploy.recorded:_read"),
        share=6,
    ),
    "events hdf5": Reader(
        data.make_shd, data.read_shd, (DataError,),
        (
            "lsnn_neuro.data.hdf5:check_heaps", "lsnn_neuro.data.events:HDF5Samples.__init__",
            "lsnn_neuro.data.events:HDF5Samples._dataset", "lsnn_neuro.data.events:_readable",
            "lsnn_neuro.data.hdf5:check_dataset",
        ),
    ),
    "events listed": Reader(
        data.make_listed, data.read_events, (DataError,), (*NPZ, *ROWS, "lsnn_neuro.data.events:_of_npz"),
    ),
    "events dense": Reader(
        data.make_dense, data.read_dense, (DataError,), (*NPZ, *ROWS, "lsnn_neuro.data.events:_of_npz"),
    ),
    "arrays npz": Reader(
        data.make_arrays, data.read_arrays, (DataError,), (*NPZ, *ROWS, "lsnn_neuro.data.arrays:_read_npz"),
    ),
    "arrays mat": Reader(
        data.make_mat, data.read_arrays, (DataError,),
        (
            "lsnn_neuro.data.arrays:read_arrays", "lsnn_neuro.data.mat:read_mat",
            "lsnn_neuro.data.mat:_by_scipy", "lsnn_neuro.data.mat:_check",
        ),
    ),
    "sounds": Reader(
        data.make_sounds, data.read_sounds, (DataError,),
        (*SOUND, "lsnn_neuro.data.sounds:_checked", "lsnn_neuro.data.speech:read_samples"),
    ),
    "table of sounds": Reader(
        data.make_table, data.read_table, (DataError,), (*SOUND, *TEXT, "lsnn_neuro.data.sounds:_of_csv"),
    ),
    "phones": Reader(
        data.make_phones, data.read_phones, (DataError,),
        (*SOUND, *TEXT, "lsnn_neuro.data.speech:read_segments", "lsnn_neuro.data.speech:read_samples"),
        share=6,
    ),
    "digits": Reader(
        data.make_digits, data.read_digits, (DataError,),
        (*SOUND, "lsnn_neuro.data.speech:read_samples"),
    ),
    "images": Reader(
        data.make_images, data.read_images, (DataError,),
        ("lsnn_neuro.data.idx:read_idx", "lsnn_neuro.data.idx:parse_idx", "lsnn_neuro.data.idx:_content"),
        share=6,
    ),
}  # fmt: skip

HASHED = "its SHA-256 is held against a known one, before it is parsed"
BETWEEN = "what Lava processes send one another"
OWN = "a file that this process, or a child of it, wrote into a folder of its own"
EXEMPT = {
    "lsnn_neuro.data.mnist:_load_5k": HASHED,
    "lsnn_neuro.data.mnist:_load_fetched": HASHED,
    "lsnn_neuro.data.mnist:_is_complete": HASHED,
    "lsnn_neuro.data.mnist:_from_mirror": HASHED,
    "lsnn_neuro.data.mnist:_from_package_index": HASHED,
    "lsnn_neuro.data.mnist:_load_arrays": HASHED,
    "lsnn_neuro.network.kernel:Layout.of_text": "a text of this process",
    "lsnn_neuro.network.identity:differing": "a text of this process",
    "lsnn_neuro.tasks.encoder:EncoderConstants.of": "a text of this process",
    "lsnn_neuro.network.module:SpikingNetwork.set_extra_state": "see the reader 'resumed run'",
    "deploy.exporting:files_of": "copied, and read by nobody",
    "quantize.imported:ImportedConfig.keep": "copied; see the reader 'imported'",
    "deploy.interchange.extension:pack": OWN,
    "deploy.interchange.netx:save": OWN,
    "deploy.interchange.nir_file:graph_bytes": OWN,
    "deploy.interchange.slayer_module:from_slayer": OWN,
    "deploy.interchange.nir:load": "calls the reader 'nir'",
    "deploy.mapping.chips:_builtin": "a file of the package",
    "deploy.lava.job:*": OWN,
    "deploy.lava.recording:*": OWN,
    "deploy.lava.runner:*": OWN,
    "deploy.lava.supervisor:*": OWN,
    "deploy.lava.target:*": OWN,
    "deploy.lava.fused:PyFusedNetworkModelFixed.run_spk": BETWEEN,
    "deploy.lava.neurons.process:NeuronModel.run_spk": BETWEEN,
    "deploy.lava.synapses:AbstractEventModel.run_spk": BETWEEN,
}
"""Functions that read what is no file of somebody else's, and why."""
