"""``docs/results.md``: our numbers beside other people's, and what holds of what they say."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from deploy.publishing.card import Integers
from deploy.publishing.log import read_metrics
from experiments.families import Families, Family, Model, Statistics
from experiments.literature import CLAIMS, NOT_RUN, PAPERS_BEST, ROWS, Published, Row

DIGITS = "sequential-mnist"

INTRODUCTION = """\
# Results

Written by `make results` from what is committed in `models/`: the logs, the networks, and their
cards, which carry the hash of the network they were measured on. Change nothing here by hand.

Scores are over the complete test split, accuracies in per cent of it. The network that is kept of a run is
the best on the validation split. Many of the test splits had been looked at before: `smnist-2ms` and
`teacher-networks` were trained on after a shorter run had been scored, `smnist-best` was chosen between two
networks whose scores were known, and of `smnist-1ms`, `delayed-xor`, `fsdd`, `ecg` and `navigation` earlier
networks had been scored ([training-notes.md](training-notes.md)). "Float" is the PyTorch network, "integers"
are the emulator's; Lava gave the same spikes on the samples that it ran, 10 to 200 of each ("P2" below).
"""

CAPTIONS = {
    "learning-curves.svg": ("Learning curves", "Validation accuracy during training."),
    "connectivity.svg": (
        "Accuracy against connectivity",
        "Networks that are alike but for the share of active synapses (the dense one has no fixed "
        "signs, weaker initial weights, nothing to rewire, a lower learning rate, and fewer iterations, "
        "which take longer).",
    ),
    "weight-bits.svg": (
        "Accuracy against weight bits",
        "Circles: weights rounded after training. Stars: trained with so many bits.",
    ),
    "learning-to-learn.svg": (
        "Learning to learn",
        "Squared error on the test episodes against the examples seen, the networks' weights at rest; "
        "\"linear, fitted to the whole episode\" knows all examples from the start.",
    ),
    "navigation.svg": (
        "Navigation",
        "Paths in the arena in the first test episodes, and how many actions the trials of an episode take: "
        "means of those of 256 episodes that got so far, as long as half of them do. Spiking networks play "
        "on integers, the LSTM in float.",
    ),
    "raster.svg": (
        "What it looks like",
        "One test digit on the integer network: input spikes, spikes of both populations, thresholds of some "
        "adaptive neurons, and the readout with the window that decides.",
    ),
}  # fmt: skip


def page(families: Families, drawn: Collection[str]) -> str:
    """The whole page; ``drawn`` are the names of the figures there are."""
    digits = {n: f for n, f in families.items() if f.first.recipe.task.name == DIGITS}
    parts = [
        INTRODUCTION,
        _beside_the_literature(digits),
        _claims(families),
        _models(digits),
        _other_tasks([f for name, f in families.items() if name not in digits]),
    ]
    for name, (title, text) in CAPTIONS.items():
        picture = f"![{title}](figures/{name})" if name in drawn else f"*{NOT_RUN}*"
        parts.append(f"## {title}\n\n{text}\n\n{picture}\n")
    return "\n".join(parts)


def _beside_the_literature(families: Families) -> str:
    rows = [
        [
            row.network,
            f"`{row.family}`",
            _published(row.published),
            *_ours(families.get(row.family)),
            _parameters(row, families.get(row.family)),
        ]
        for row in ROWS
    ]
    head = (
        "network (1 ms a pixel unless said)", "ours", "published", "float", "integers",
        "trained on", "parameters: published; ours",
    )  # fmt: skip
    text = (
        "Best run, in brackets mean ± standard deviation over runs. Published numbers are those of "
        "Bellec et al. 2018 (in float) and of Intel's Loihi 1 module (on the chip). Where training was "
        "on integers, the float column says what the same weights do in float. Our LSTM hears the "
        "spikes that the LSNNs hear; the paper's number of parameters is that of one that hears a "
        "single grey level. `smnist-1ms` and its kin differ from the paper in their delays (to 62 ms "
        "instead of 9), in that rewired synapses draw a new delay, in the refractory period (2 ms "
        "instead of 5; at 2 ms a pixel 5), and in how they are trained: on integers, on other and shorter "
        "schedules, logits times 20. `smnist-1ms-paper` has the paper's neurons, delays and refractory "
        "period, in float, with a shorter schedule and logits times 20. Of the three runs of `smnist-1ms` "
        "two are of release 0.1.0, whose DEEP R drew other synapses. Parameters are those that are active "
        "in float; some round to 0 on the chip, and the table after the claims says how many synapses are "
        "left."
    )
    return f"## Beside the literature\n\n{text}\n\n{table(head, rows)}"


def _published(published: Published | None) -> str:
    if published is None:
        return ""
    if published.mean is None:
        return f"{100 * published.best:.1f}"
    spread = f" ± {100 * published.sd:.1f}" if published.sd is not None else ""
    return f"{100 * published.best:.1f} ({100 * published.mean:.1f}{spread})"


def _ours(family: Family | None) -> list[str]:
    """Columns float, integers, trained on."""
    if family is None:
        return [NOT_RUN, NOT_RUN, ""]
    bits = family.first.card.trained_bits
    how = "float" if bits is None else f"integers, {bits} bits"
    integers = spread(family.on_integers) if family.on_integers else "can't be quantized"
    return [spread(family.in_float), integers, how]


def spread(values: Statistics) -> str:
    """Best, and with several runs mean ± standard deviation and how many they are."""
    best = f"{100 * values.best:.2f}"
    if values.sd is None:
        return best
    return f"{best} ({100 * values.mean:.2f} ± {100 * values.sd:.2f}, {values.n} runs)"


def _parameters(row: Row, family: Family | None) -> str:
    theirs = row.published.parameters if row.published else ""
    if family is None:
        return theirs
    card = family.first.card
    ours = f"{card.active_parameters:,}"
    if card.active_parameters < card.total_parameters:
        ours += f" of {card.total_parameters:,}"
    return f"{theirs}; {ours}" if theirs else ours


def _claims(families: Families) -> str:
    rows = []
    for claim in CLAIMS:
        ours, verdict = claim.verdict(families)
        rows.append([claim.text, claim.source, claim.theirs, ours, verdict])
    head = ("claim", "whose", "theirs", "ours", "verdict")
    text = (
        "Best against best, in per cent or points of per cent; ours are on what the network was "
        "trained on. A claim holds if ours, rounded as theirs, is at least as large. Where ours differ in "
        'more than the claim is about, a number below theirs decides nothing; "but" says in what.'
    )
    return f"## Which claims hold\n\n{text}\n\n{table(head, rows)}"


def _other_tasks(families: Sequence[Family]) -> str:
    head = (
        "task", "model", "score", "float", "integers", "trained on", "active synapses",
        "rates (Hz)", "parity with the emulator",
    )  # fmt: skip
    rows = [_other_model(model) for family in families for model in family.models]
    text = (
        "Accuracy and goals per episode: more is better. Squared error and error rate: less is better. A "
        "line is one run; that of `delayed-xor` was at its best early and then forgot. The speech is no "
        "benchmark: "
        '`phones` is a single speaker\'s, aligned by machine, with one word ("first") recorded for training '
        "and for the test, and in `fsdd` all speakers are in all splits."
    )
    return f"## Other tasks\n\n{text}\n\n{table(head, rows) if rows else 'There are none yet.'}\n"


def _other_model(model: Model) -> list[str]:
    card = model.card
    integers = card.integers
    bits = "float" if card.trained_bits is None else f"integers, {card.trained_bits} bits"
    return [
        model.recipe.task.name,
        f"[{model.name}](../models/{model.name}/card.md)",
        card.metric.replace("_", " "),
        card.format(card.score),
        card.format(integers.score) if integers else "can't be quantized",
        bits,
        f"{integers.synapses:,}" if integers else "",
        _rates(integers) if integers else "",
        _parity(integers) if integers else "",
    ]


def _rates(integers: Integers) -> str:
    return ", ".join(f"{name} {rate:.1f}" for name, rate in integers.rates_hz.items())


def _parity(integers: Integers) -> str:
    return ", ".join(
        f"{level} {'exact' if p.exact else 'NOT EXACT'} on {p.samples:,}"
        for level, p in integers.parity.items()
    )


def _models(families: Families) -> str:
    head = (
        "model", "float", "integers", "iterations", "minutes", f"to {PAPERS_BEST:.1%}",
        "active synapses", "rates (Hz)", "synaptic operations a sample", "parity with the emulator",
    )  # fmt: skip
    rows = [_model(model) for family in families.values() for model in family.models]
    text = (
        "Each name leads to its card. Active synapses, rates and synaptic operations (a spike meets a "
        "synapse) are those of the integer network, over the whole test split. P1 is the "
        "quantization-aware forward pass, P2 is Lava. Minutes are of training steps, on a core or two of an "
        'AMD EPYC that had other work to do (`smnist-1ms-seed1` was halted for more than an hour); "to" '
        "says after which iteration and minute a validation, on 1,024 to 5,000 images, first showed what the "
        "paper's best run reached on the test."
    )
    return f"## All models\n\n{text}\n\n{table(head, rows) if rows else 'There are none yet.'}\n"


def _model(model: Model) -> list[str]:
    card = model.card
    unfinished = f" of {card.max_iterations:,}" if card.iterations < card.max_iterations else ""
    columns = [
        f"[{model.name}](../models/{model.name}/card.md)",
        f"{100 * card.score:.2f}",
        "" if card.integers is None else f"{100 * card.integers.score:.2f}",
        f"{card.iterations:,}{unfinished}",
        f"{card.seconds / 60:,.0f}",
        _first_at(model, PAPERS_BEST),
    ]
    if (integers := card.integers) is None:
        return [*columns, "", "", "", ""]
    synapses, operations = f"{integers.synapses:,}", f"{integers.operations:,.0f}"
    return [*columns, synapses, _rates(integers), operations, _parity(integers)]


def _first_at(model: Model, accuracy: float) -> str:
    """When the validation first showed an accuracy."""
    for line in read_metrics(model.folder):
        if line.get("validation_accuracy", 0) >= accuracy:
            return f"{line['iteration']:,}, {line['seconds'] / 60:.0f} min"
    return "never"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
