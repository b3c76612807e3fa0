"""Facts about TIMIT: its 61 phones, how they are folded, and its core test set.

The folding is that of Lee and Hon 1989 (61 phones, 48 for training, 39 for scoring) in the form in
which it is used today. The glottal stop q is left out. The core test set, two men and
one woman of each dialect region, is named in TIMIT's own documentation.
"""

from __future__ import annotations

Q = "q"  # the glottal stop: left out of training and scoring

_TO_48 = {
    "sil": "h# pau", "cl": "pcl tcl kcl", "vcl": "bcl dcl gcl", "epi": "epi",
    "aa": "aa", "ae": "ae", "ah": "ah", "ao": "ao", "aw": "aw", "ax": "ax ax-h", "ay": "ay",
    "eh": "eh", "er": "er axr", "ey": "ey", "ih": "ih", "ix": "ix", "iy": "iy", "ow": "ow",
    "oy": "oy", "uh": "uh", "uw": "uw ux",
    "l": "l", "el": "el", "r": "r", "w": "w", "y": "y", "hh": "hh hv",
    "m": "m em", "n": "n nx", "en": "en", "ng": "ng eng",
    "b": "b", "d": "d", "g": "g", "p": "p", "t": "t", "k": "k", "dx": "dx", "jh": "jh", "ch": "ch",
    "s": "s", "sh": "sh", "z": "z", "zh": "zh", "f": "f", "v": "v", "th": "th", "dh": "dh",
}  # fmt: skip
_48_TO_39 = {
    "cl": "sil", "vcl": "sil", "epi": "sil", "el": "l", "en": "n", "zh": "sh",
    "ao": "aa", "ix": "ih", "ax": "ah",
}  # fmt: skip

FOLD_48: dict[str, str] = {
    phone: name for name, phones in _TO_48.items() for phone in phones.split()
}
"""From 60 phones, q not among them, to 48."""

FOLD_39: dict[str, str] = {phone: _48_TO_39.get(name, name) for phone, name in FOLD_48.items()}
"""From 60 phones, q not among them, to 39."""

PHONES: frozenset[str] = frozenset({*FOLD_48, Q})
"""All 61."""

CORE_TEST_SPEAKERS: frozenset[str] = frozenset({
    "MDAB0", "MWBT0", "FELC0", "MTAS1", "MWEW0", "FPAS0", "MJMP0", "MLNT0", "FPKT0", "MLLL0", "MTLS0",
    "FJLM0", "MBPM0", "MKLT0", "FNLP0", "MCMJ0", "MJDH0", "FMGD0", "MGRT0", "MNJM0", "FDHC0", "MJLN0",
    "MPAM0", "FMLD0",
})  # fmt: skip
"""The 24 speakers whose SI and SX sentences, 192 in all, are the usual test set."""
