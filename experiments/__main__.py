"""``python -m experiments``: write docs/results.md and its figures from models/.

A model without a card, or whose files are not those its card was measured on, is measured first.
"""

from __future__ import annotations

from pathlib import Path

import click

from deploy.publishing.card import CARD, Card
from deploy.publishing.measurement import LAVA_SAMPLES, measure
from experiments.families import find_models, load_families
from experiments.figures import figures
from experiments.page import page
from lsnn_neuro import files
from lsnn_neuro.errors import LSNNError

ROOT = Path(__file__).parents[1]


def write_results(
    models: Path, docs: Path, *, again: bool = False, lava_samples: int = LAVA_SAMPLES
) -> list[Path]:
    """Write the page and the figures, measuring where there is need; gives what was written.

    Figures that nothing is left to be said about are removed.
    """
    for folder in find_models(models):
        card = Card.load(folder) if (folder / CARD).is_file() else None
        if again or card is None or not card.belongs_to(folder):
            click.echo(f"measuring {folder} ...", err=True)
            data = None if card is None else card.data
            measure(folder, data=data, lava_samples=lava_samples).save(folder)
    families = load_families(models)
    drawn = figures(families)
    for file in (docs / "figures").glob("*.svg"):
        if file.name not in drawn:
            file.unlink()
    written = {docs / "figures" / name: text for name, text in drawn.items()}
    written[docs / "results.md"] = page(families, drawn)
    for file, text in written.items():
        files.write_text(file, text)
    return list(written)


@click.command(help=__doc__)
@click.option("--again", is_flag=True, help="Measure all models again, whatever their cards say.")
def main(again: bool) -> None:
    """Write the results of this source tree."""
    try:
        for file in write_results(ROOT / "models", ROOT / "docs", again=again):
            click.echo(file.relative_to(ROOT))
    except LSNNError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
