"""What lava-dl and Lava make of layers' weights: ``netx_weights.py FOLDER``.

Reads ``N.npz`` with one or two matrices (part0, part1), writes ``N.used.npz`` with what runs, by the
functions that netx and Lava's Dense call.
"""

import sys
from pathlib import Path

import numpy as np
from lava.lib.dl.netx.utils import optimize_weight_bits
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.npz")):
        given = np.load(file)
        parts = [given[name] for name in sorted(given.files)]
        with np.errstate(divide="ignore"):
            joint, bits, exponent, _ = optimize_weight_bits(np.hstack(parts))
        used = {}
        for name, scaled in zip(
            sorted(given.files), np.split(joint, [parts[0].shape[1]], axis=1), strict=False
        ):
            mode = determine_sign_mode(scaled)
            kept = truncate_weights(clip_weights(scaled, mode, num_bits=8), mode, bits)
            used[name] = kept * 2.0**exponent
        np.savez(file.with_suffix(".used.npz"), **used)
