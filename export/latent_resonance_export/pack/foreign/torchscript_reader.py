"""Reads a TorchScript archive in a process of its own, and writes its graph as data to stdout.

    python -m latent_resonance_export.pack.foreign.torchscript_reader FILE

Run by `torchscript_file.py`, which has checked the archive's text before. What is written holds
numbers, text and tensors only; the process cannot write files, and its time and memory are limited.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

CPU_S = 120
EXTRA_BYTES, PER_BYTE = 4 << 30, 6  # of memory: what PyTorch needs, and per byte of the archive


def limit_process(n_bytes: int) -> None:
    """Limits processor time and memory, and forbids writing to files."""
    data = EXTRA_BYTES + PER_BYTE * n_bytes
    for what, limit in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, data),
    ):
        resource.setrlimit(what, (limit, limit))


def read_graph(path: Path) -> dict[str, Any]:
    """The forward pass of an archive: straight code, with its weights as constants."""
    module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    graph = torch.jit.freeze(module.eval()).inlined_graph
    tensors: list[torch.Tensor] = []
    inputs = [value.debugName() for value in graph.inputs()][1:]  # the first is the module
    outputs = [value.debugName() for value in graph.outputs()]
    nodes = _nodes(graph, tensors)
    return {"inputs": inputs, "outputs": outputs, "nodes": nodes, "tensors": tensors}


def _nodes(block: Any, tensors: list[torch.Tensor]) -> list[dict[str, Any]]:  # noqa: ANN401  torch._C.Block
    return [_node(node, tensors) for node in block.nodes()]


def _node(node: Any, tensors: list[torch.Tensor]) -> dict[str, Any]:  # noqa: ANN401  torch._C.Node
    """An operator as data: its name and overload, names of inputs and outputs, inner blocks."""
    kind, schema = node.kind(), node.schema()
    found: dict[str, Any] = {
        "kind": kind,
        "inputs": [value.debugName() for value in node.inputs()],
        "outputs": [value.debugName() for value in node.outputs()],
    }
    if kind == "prim::Constant":
        found["value"] = _constant(node.output().toIValue(), tensors)
    elif schema != "(no schema)":
        parsed = torch._C.parse_schema(schema)  # noqa: SLF001  there is no public parser
        found["overload"] = parsed.overload_name
        found["keywords"] = [a.name if a.kwarg_only else "" for a in parsed.arguments]
    if blocks := list(node.blocks()):
        found["blocks"] = [
            {
                "inputs": [value.debugName() for value in block.inputs()],
                "nodes": _nodes(block, tensors),
                "outputs": [value.debugName() for value in block.outputs()],
            }
            for block in blocks
        ]
    return found


def _constant(value: object, tensors: list[torch.Tensor]) -> object:
    """A constant as plain data; a tensor becomes its place among `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors.append(value.detach().clone())
        return {"tensor": len(tensors) - 1}
    if isinstance(value, list | tuple):
        return [_constant(each, tensors) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"text": str(value)}  # a device or a layout, which no known operator needs


def main() -> None:
    """Read the file that is named."""
    path = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    limit_process(path.stat().st_size)
    content = io.BytesIO()
    torch.save(read_graph(path), content)
    sys.stdout.buffer.write(content.getbuffer())


if __name__ == "__main__":
    main()
