"""Backpropagation through time on the native kernel, as a torch autograd function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lsnn_neuro.network import kernel
from lsnn_neuro.network.kernel import KEEP_MEMBRANE, KEEP_SPIKES, KEEP_TAPE, LANES, KernelNetwork

UNIT = 4096
"""A whole share of a state in the kernel's integers."""


class BPTT(torch.autograd.Function):
    """Forward and backward through time; gradients for weights and columns, not for x."""

    @staticmethod
    def forward(
        ctx: Any, network: KernelNetwork, x: Tensor, bits: list[Any], feedback: Tensor | None,
        *learnt: Tensor,
    ) -> Any:  # fmt: skip
        """See :func:`lsnn_neuro.network.kernel.run`."""
        arrays = [_array(t, np.float32) for t in learnt]
        inputs = _array(x, np.bool_)
        columns_learn = any(ctx.needs_input_grad[7:])
        keep = KEEP_MEMBRANE if columns_learn else KEEP_TAPE
        if not any(ctx.needs_input_grad):
            keep = KEEP_SPIKES
        here = kernel.with_numbers(network, arrays[:3], _columns(arrays[3:], network.integer))
        readout, *kept, counts = kernel._forward(here, inputs, here.arguments(), keep)
        bits.append(kept[0])
        if feedback is not None:
            arrays[1:3] = np.zeros_like(arrays[1]), _array(feedback, np.float32)
        ctx.back = _in_floats(kernel.with_numbers(network, arrays[:3], arrays[3:]))
        ctx.inputs, ctx.columns_learn, ctx.kept = inputs.view(np.uint8), columns_learn, tuple(kept)
        ctx.cells = x.shape[0] * x.shape[1]
        y = torch.from_numpy(readout.reshape(*readout.shape[:2], -1)[..., : x.shape[1]])
        rate = torch.from_numpy((counts.sum(axis=0) / ctx.cells).astype(np.float32))
        return y.transpose(1, 2).float(), rate

    @staticmethod
    def backward(ctx: Any, grad_readout: Tensor, grad_rate: Tensor) -> Any:
        """Gradients of the learnt tensors."""
        assert kernel.native is not None
        steps, batch, outputs = grad_readout.shape
        blocks = -(-batch // LANES)
        padded = np.zeros((steps, outputs, blocks * LANES), np.float32)
        padded[..., :batch] = grad_readout.transpose(1, 2).numpy()
        gradients = kernel.native.backward(
            ctx.inputs, *ctx.back.arguments(), ctx.kept,
            padded.reshape(steps, outputs, blocks, LANES),
            _array(grad_rate / ctx.cells, np.float32),
            ctx.back.gamma, ctx.columns_learn, ctx.back.threads,
        )  # fmt: skip
        learnt = [torch.from_numpy(g) for g in gradients]
        columns = learnt[3:] if ctx.columns_learn else [None] * len(kernel.LEARNT)
        return None, None, None, None, *learnt[:3], *columns


def _columns(arrays: list[npt.NDArray[np.float32]], integer: bool) -> list[npt.NDArray[np.float32]]:
    """The learnt columns as a network has them: decays come as shares, integers count 1/4096 of one."""
    if not integer:
        return arrays
    return [
        a * np.float32(UNIT) if name.startswith("decay") else a
        for name, a in zip(kernel.LEARNT, arrays, strict=True)
    ]


def _in_floats(network: KernelNetwork) -> KernelNetwork:
    """The same network with all decays as shares: gradients are those of real numbers."""
    if not network.integer:
        return network
    c, unit = network.columns, np.float32(UNIT)
    columns = replace(c, decay_i=c.decay_i / unit, decay_r=c.decay_r / unit)
    return replace(network, integer=False, columns=columns, decay_out=network.decay_out / unit)


def _array(tensor: Tensor, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype)
