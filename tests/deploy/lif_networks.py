"""Integer networks of what NIR has words for."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_networks import li, neurons

from quantize.network import QuantizedNetwork, QuantizedProjection


def lif_network(
    seed: int, *, sizes: tuple[int, ...] = (5, 4), delays: int = 3, all_words: bool = False
) -> QuantizedNetwork:
    """A random recurrent network of what NIR has words for: LIF, reset to zero, and a readout.

    Membranes halve in each step and start as multiples of 2^14, so that within 14 steps no rounding
    happens: real numbers and integers must then agree on every spike.

    - all_words: with synaptic currents, biases, resets to other values, and delays onto the readout too
    """
    rng = np.random.default_rng(seed)
    ends = {"input": 6, **{f"pop{i}": n for i, n in enumerate(sizes)}, "readout": 3}

    def projection(source: str, target: str, sign_mode: Any) -> QuantizedProjection:
        connected = rng.random((ends[target], ends[source])) < 0.8
        inhibitory = np.arange(ends[source]) % 3 == 0  # Dale's law
        rows, columns = np.nonzero(connected & (inhibitory == (sign_mode == "inhibitory")))
        most = 64 if all_words else 255  # a current adds up, and must not wrap around
        low, high = {"excitatory": (1, most), "inhibitory": (-most, -1)}[sign_mode]
        return QuantizedProjection(
            name=f"{source}->{target} {sign_mode}",
            source=source,
            target=target,
            n_source=ends[source],
            n_target=ends[target],
            source_index=columns,
            target_index=rows,
            weight_mant=rng.integers(low, high + 1, len(rows)) // 8 * 8 + 8 * (low < 0),
            delay=rng.integers(0, delays + 1, len(rows)) * (all_words or target != "readout"),
            weight_exp=5,
            sign_mode=sign_mode,
        )

    populations = [name for name in ends if name.startswith("pop")]
    links = [(a, b) for a in ("input", *populations) for b in populations]
    links += [(a, "readout") for a in populations]

    def more(name: str) -> dict[str, Any]:
        """The words beside those of plain LIF neurons, multiples of 2^14 all."""
        if not all_words:
            return {}
        drawn = {"bias": rng.integers(-3, 4, ends[name]) << 14}
        if name != "pop1":
            drawn["decay_i"] = np.full(ends[name], 2048)
        if name != "readout":
            drawn["reset_to"] = rng.integers(-5, 6, ends[name]) << 14
        return drawn

    return QuantizedNetwork(
        n_inputs=ends["input"],
        populations=(
            *(
                neurons(
                    "lif",
                    name,
                    decay_v=np.full(ends[name], 2048),
                    vth=64 * rng.integers(1, 2**11 if all_words else 2**13, ends[name]),
                    reset="to",
                    scale=float(2.0 ** rng.integers(10, 20)),
                    **more(name),
                )
                for name in populations
            ),
            li("readout", np.full(3, 2048), scale=2.0**12, **more("readout")),
        ),
        projections=tuple(
            projection(*link, s) for link in links for s in ("excitatory", "inhibitory")
        ),
    )
