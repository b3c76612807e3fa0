"""What TensorBoard shows of a run: all metrics, and at each validation spikes, weights and delays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.tensorboard.writer import SummaryWriter

from lsnn_neuro.player import FloatPlayer
from lsnn_neuro.training.callbacks import Callback

if TYPE_CHECKING:
    from lsnn_neuro.training.trainer import Trainer

FOLDER = "tensorboard"


class TensorBoard(Callback):
    """Events for TensorBoard in the run folder.

    Scalars in every iteration. Of a spiking network, at each validation: a raster of its spikes in the first
    validation sample, and histograms of the weights and delays of each group of synapses. No random
    number is drawn.
    """

    def __init__(self, run_dir: Path):
        self.folder = run_dir / FOLDER

    def start(self, trainer: Trainer) -> None:
        """Open a file of events; those after the run's iteration are no longer shown."""
        board: Any = SummaryWriter  # torch leaves it untyped
        self.board = board(str(self.folder), purge_step=trainer.iteration + 1)

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Write the metrics, and what is shown at validations."""
        for name, value in (metrics | {"seconds": trainer.seconds}).items():
            self.board.add_scalar(name, value, trainer.iteration)
        if trainer.validated and trainer.recipe.network.spiking:
            self._show_spikes(trainer)
            self._show_synapses(trainer)

    def end(self, trainer: Trainer) -> None:
        """Close the file."""
        self.board.close()

    def _show_spikes(self, trainer: Trainer) -> None:
        player = FloatPlayer(trainer.model, trainer.device)
        # Two, since there are tasks whose samples come in pairs.
        trial = next(iter(trainer.task.trials("validation", player, batch_size=2, max_samples=2)))
        with torch.no_grad():
            output = trainer.model(torch.from_numpy(trial.inputs).to(trainer.device))
        if output.spikes is not None:
            image = raster(output.spikes[:, 0].cpu().numpy())
            self.board.add_image("spikes", image, trainer.iteration, dataformats="HWC")

    def _show_synapses(self, trainer: Trainer) -> None:
        for group in trainer.network.groups:
            active = group.active()
            if bool(active.any()):
                weights = group.weight().detach()[active].cpu().numpy()
                delays = group.delay[active].cpu().numpy()
                self.board.add_histogram(f"weights/{group.name}", weights, trainer.iteration)
                self.board.add_histogram(f"delays/{group.name}", delays, trainer.iteration)


def raster(spikes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A picture of spikes, (row, column, red-green-blue).

    - spikes: of one sample, not 0 where there is one, (time, neuron)
    """
    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)  # untyped in matplotlib
    axes = figure.add_subplot()
    step, neuron = np.nonzero(spikes)
    axes.plot(step, neuron, "|", color="black", markersize=2)
    axes.set(
        xlim=(-0.5, len(spikes) - 0.5), ylim=(spikes.shape[1] - 0.5, -0.5), xlabel="step", ylabel="neuron"
    )  # fmt: skip
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
