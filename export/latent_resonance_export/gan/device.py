"""Device, number of processes and precision of a training run.

Lightning Fabric starts one process for each device and carries numbers between them. Every process
holds the same networks and draws different clips; gradients are averaged before each update, as in
StyleGAN2's own code, so no network has to be wrapped. Only rank 0 writes files.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Literal, TypeVar, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from latent_resonance import LatentResonanceError
from latent_resonance_export.gan.checkpoint import signal_handler

Result = TypeVar("Result")
FabricPrecision = Literal["bf16-mixed", "32-true"]
PRECISIONS: dict[str, FabricPrecision] = {"bf16": "bf16-mixed", "fp32": "32-true"}
# they log the start and end of each process; set at import, this holds in every process
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)
FAST_ON_CPU = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


class DeviceError(LatentResonanceError):
    """The device does not exist, or one of several processes ended early."""


def launch(
    job: Callable[..., Result],
    *arguments: Any,
    device: str = "auto",
    n_devices: int = 1,
    precision: str = "auto",
) -> Result:
    """Calls job(fabric, *arguments) in one process for each device; returns rank 0's result.

    Parameters
    ----------
    job : with more than one device, defined at the top level of a module
    device : auto, cpu or cuda
    precision : auto, bf16 or fp32

    Raises
    ------
    DeviceError
        There are fewer devices than requested, or one of the processes ended early.
    LatentResonanceError
        Raised by the job.
    """
    accelerator = choose_device(device, n_devices)
    fabric = Fabric(
        accelerator=accelerator,
        devices=n_devices,
        strategy="auto" if n_devices == 1 else DDPStrategy(start_method="spawn"),
        precision=choose_precision(precision, accelerator),
    )
    if n_devices == 1:
        return cast("Result", fabric.launch(partial(run_job, job=job, arguments=arguments)))
    bound = partial(run_catching, job=job, arguments=arguments)
    try:
        with signal_handler(forward_signal):
            result = fabric.launch(bound)
    except (ProcessRaisedException, ProcessExitedException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DeviceError(
            f"one of {n_devices} processes ended early ({reason}): repeat the command to continue "
            "from the last checkpoint; --devices 1 shows the whole error"
        ) from error
    if isinstance(result, LatentResonanceError):
        raise result
    return cast("Result", result)


def run_job(fabric: Fabric, job: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Runs the job with denormal numbers flushed to zero, since they are slow; not its caller."""
    torch.set_flush_denormal(True)
    try:
        return job(fabric, *arguments)
    finally:
        torch.set_flush_denormal(False)


def run_catching(
    fabric: Fabric, job: Callable[..., Result], arguments: tuple[Any, ...]
) -> Result | LatentResonanceError:
    """The job's result or error: across processes an error would arrive as a traceback."""
    try:
        return run_job(fabric, job, arguments)
    except LatentResonanceError as error:
        return error
    finally:  # its threads, if they outlive the interpreter, abort the process
        torch.distributed.destroy_process_group()


def forward_signal(number: int, _frame: FrameType | None) -> None:
    """Sends a signal on to the processes that train: they finish their step."""
    for child in multiprocessing.active_children():
        if child.pid is not None:
            os.kill(child.pid, number)


def choose_device(device: str, n_devices: int) -> str:
    """`cpu` or `cuda`.

    Raises
    ------
    DeviceError
        There are fewer GPUs than requested.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        device = "cuda" if n_gpus else "cpu"
    if device == "cuda" and n_gpus < n_devices:
        raise DeviceError(
            f"{n_devices} GPUs are requested and PyTorch finds {n_gpus}: name fewer --devices, "
            "or --device cpu"
        )
    return device


def choose_precision(precision: str, device: str) -> FabricPrecision:
    """Fabric's name of a precision; `auto` is bf16 where the hardware computes in it."""
    if precision == "auto":
        precision = "bf16" if computes_in_bf16(device) else "fp32"
    return PRECISIONS[precision]


def computes_in_bf16(device: str) -> bool:
    """Whether bfloat16 is native here and faster than float32, not emulated."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8  # Ampere
    # an older PyTorch does not report capabilities
    get_capabilities: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    capabilities = get_capabilities()
    return any(capabilities.get(name) for name in FAST_ON_CPU)


def on_rank_zero(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Calls `work` on rank 0; every process returns its result, or raises its error."""
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
    return cast("Result", result)


@torch.no_grad()
def average_across_ranks(fabric: Fabric, tensors: Iterable[Tensor]) -> None:
    """Replaces each tensor by its mean over the processes, with one collective call."""
    if fabric.world_size == 1:
        return
    tensors = list(tensors)
    if not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    mean = cast("Tensor", fabric.all_reduce(flat))
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, torch.split(mean, sizes), strict=True):
        tensor.copy_(part.view_as(tensor))


def any_rank(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process; every process gets the same answer."""
    if fabric.world_size == 1:
        return flag
    value = torch.tensor(float(flag), device=fabric.device)
    return bool(cast("Tensor", fabric.all_reduce(value, reduce_op="sum")).item())
