"""One step of populations on Lava from given states: ``one_step_in_lava.py FOLDER``.

A network file NAME.safetensors with a single population stands beside NAME.npz: its state variables, ``i``
the synaptic current, and ``arrived``, the synaptic input of the step, arrays (neuron,). The states after the
step are written to NAME.after.npz. Input comes from Lava's own RingBuffer, straight into the population.
"""

import sys  # noqa: I001 - deploy.lava before Lava: it lets it be imported on Python 3.11
from pathlib import Path

import deploy.lava  # noqa: F401
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import PySendModelFixed, RingBuffer

from deploy.lava.neurons.neuron import candidates
from deploy.lava.recording import PyStateRecorderModel, StateRecorder
from quantize import file_format


def own(lava, population, given, folder):
    """Our process, which starts from a state: one step, its states recorded."""
    process = lava.build(population, 1, start_step=0, start=given)
    models = {process: lava.model()}
    source = RingBuffer(data=given["arrived"][:, None])
    source.s_out.connect(process.a_in)
    models[source] = PySendModelFixed
    names = ["i", *process.state_names]
    for name in names:
        path = folder / f"{name}.npy"
        np.save(path, np.zeros((1, 1, population.size), np.int32))
        recorder = StateRecorder(path=str(path), columns=(0, population.size), lag=0)
        recorder.state.connect_var(getattr(process, name))
        models[recorder] = PyStateRecorderModel
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)
    process.run(condition=RunSteps(num_steps=1), run_cfg=config)
    process.stop()
    return {name: np.load(folder / f"{name}.npy")[0, 0] for name in names}


def stock(lava, population, given, _folder):
    """Lava's own process: a step, after which its variables are set, and the step from these states."""
    process = lava.build(population, 1, start_step=0, start={})
    silence = np.zeros_like(given["arrived"])
    source = RingBuffer(data=np.stack([silence, given["arrived"]], axis=1))
    source.s_out.connect(process.a_in)
    models = {process: lava.model(), source: PySendModelFixed}
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)
    process.run(condition=RunSteps(num_steps=1), run_cfg=config)
    adapts = hasattr(process, "theta")
    process.v.set(given["v"])
    (process.i if adapts else process.u).set(given["i"])
    if adapts:
        process.theta.set(given["a"] + population.constants.vth)
        process.r.set(given["r"])
    process.run(condition=RunSteps(num_steps=1), run_cfg=config)
    after = lava.states(process) | {"i": (process.i if adapts else process.u).get()}
    process.stop()
    return after


def main(folder):
    """All that stand in the folder."""
    for file in sorted(folder.glob("*.safetensors")):
        (population,) = file_format.load(file).populations
        given = dict(np.load(file.with_suffix(".npz"), allow_pickle=False))
        kinds = candidates(population)
        wanted = [k for k in kinds if k.stock == file.stem.startswith("stock")]
        step = stock if wanted[0].stock else own
        after = step(wanted[0], population, given, folder)
        np.savez(file.with_suffix(".after.npz"), **after)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
