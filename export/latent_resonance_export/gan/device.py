"""On what a run is trained: CPU or GPU, one process for each device, and how precisely.

Lightning Fabric starts the processes and carries numbers between them. Every process holds
the same networks and sees other clips; gradients are averaged before each update, as in
StyleGAN2's own code, so that no network has to be wrapped. The first process alone writes.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from latent_resonance import LatentResonanceError
from latent_resonance_export.gan.stopping import handled_by

Result = TypeVar("Result")
PRECISIONS = {"bf16": "bf16-mixed", "fp32": "32-true"}
# they tell of each process that is started and ended; said here, it holds in all of them
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
FAST_ON_CPU = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


class EngineError(LatentResonanceError):
    """There is no such device, or a process of several came to an end."""


def launch(
    job: Callable[..., Result],
    *arguments: Any,
    device: str = "auto",
    n_devices: int = 1,
    precision: str = "auto",
) -> Result:
    """Calls job(fabric, *arguments) in a process for each device; gives the first one's result.

    Parameters
    ----------
    job : with more than one device, of the top level of a module
    device : auto, cpu or cuda
    precision : auto, bf16 or fp32

    Raises
    ------
    EngineError
        There are not so many devices, or one of the processes came to an end.
    LatentResonanceError
        What the job raised.
    """
    accelerator = choose_device(device, n_devices)
    fabric = Fabric(
        accelerator=accelerator,
        devices=n_devices,
        strategy="auto" if n_devices == 1 else DDPStrategy(start_method="spawn"),
        precision=choose_precision(precision, accelerator),
    )
    if n_devices == 1:
        return fabric.launch(prepared, job, *arguments)
    bound = partial(answer, job=job, arguments=arguments)  # Fabric looks into what it is given
    try:
        with handled_by(pass_on):
            result = fabric.launch(bound)
    except (ProcessRaisedException, ProcessExitedException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise EngineError(
            f"one of {n_devices} processes came to an end ({reason}): the same command goes on "
            "from the last checkpoint; with --devices 1 the whole error is seen"
        ) from error
    if isinstance(result, LatentResonanceError):
        raise result
    return result


def prepared(fabric: Fabric, job: Callable[..., Result], *arguments: Any) -> Result:
    """Does the job with numbers that are next to nothing taken for nothing: they cost time."""
    torch.set_flush_denormal(True)
    return job(fabric, *arguments)


def answer(
    fabric: Fabric, job: Callable[..., Result], arguments: tuple[Any, ...]
) -> Result | LatentResonanceError:
    """The job's result or error: between processes an error would arrive as a traceback."""
    try:
        return prepared(fabric, job, *arguments)
    except LatentResonanceError as error:
        return error


def pass_on(number: int, _frame: FrameType | None) -> None:
    """Gives a signal to the processes that train: theirs is the step to finish."""
    for child in multiprocessing.active_children():
        os.kill(child.pid, number)


def choose_device(device: str, n_devices: int) -> str:
    """`cpu` or `cuda`.

    Raises
    ------
    EngineError
        There are fewer GPUs than are asked for.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if n_gpus else "cpu"
    if device == "cuda" and n_gpus < n_devices:
        raise EngineError(
            f"{n_devices} GPUs are asked for and PyTorch finds {n_gpus}: name fewer --devices, "
            "or --device cpu"
        )
    return device


def choose_precision(precision: str, device: str) -> str:
    """Fabric's name for it; `auto` is bf16 where the machine computes in it."""
    if precision == "auto":
        precision = "bf16" if computes_in_bf16(device) else "fp32"
    return PRECISIONS[precision]


def computes_in_bf16(device: str) -> bool:
    """Whether bfloat16 is quicker than float32 here, and not merely imitated."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8  # Ampere
    told = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch does not tell
    return any(told.get(name) for name in FAST_ON_CPU)


def by_first(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Lets the first process work; every process gets its result, or raises its error."""
    result: Result | LatentResonanceError | None = None
    if fabric.is_global_zero:
        try:
            result = work()
        except LatentResonanceError as error:
            if fabric.world_size == 1:
                raise
            result = error
    result = fabric.broadcast(result)
    if isinstance(result, LatentResonanceError):
        raise result
    return result


@torch.no_grad()
def average_over(fabric: Fabric, tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes, all at one go."""
    if fabric.world_size == 1:
        return
    tensors = list(tensors)
    if not tensors:
        return
    mean = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]))
    for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def any_of(fabric: Fabric, asked: bool) -> bool:
    """Whether it is so in any process: all must come to the same answer."""
    if fabric.world_size == 1:
        return asked
    flag = torch.tensor(float(asked), device=fabric.device)
    return bool(fabric.all_reduce(flag, reduce_op="sum").item())
