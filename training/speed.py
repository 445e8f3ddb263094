"""What the backbones cost: parameters, multiply-accumulates, training and inference time.

    python -m training.speed [--backbones dense mobilefacenet] [--batch 64] [--threads 1] [--rounds 5] [--precision bfloat16]

All are measured in one process, turn by turn, so that whatever else the machine does meets all of them alike; the fastest of ``--rounds``
counts. On one thread of a CPU that is processor time, which other programs hardly change; else time by the clock. Training is one whole
step (forward, backward, AdamW, moving average) in the precision that training.stage1 takes here, without augmentation; inference is
onnxruntime in float32 on the CPU, as at the door. The last line printed is JSON.
"""

import argparse
import copy
import io
import json
import time
from collections.abc import Callable

import onnxruntime
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from training import backbone, device
from training.cycle import average_into


def cost(network: nn.Module, side: int = 112) -> tuple[int, int]:
    """(parameters, multiply-accumulates of the convolutions and linear layers for one picture)."""
    total = 0

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [each.register_forward_hook(count) for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, side, side, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    return sum(each.numel() for each in network.parameters()), total


def training_step(network: nn.Module, batch: int, where: torch.device, precision: torch.dtype) -> Callable[[], object]:
    """One step of training on noise, ready to be timed."""
    network = network.to(where, memory_format=torch.channels_last).train()
    mean = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters())
    pictures = torch.randn(batch, 3, 112, 112, device=where).contiguous(memory_format=torch.channels_last)

    def step() -> float:
        with device.autocast(where, precision):
            output = network(pictures)
        loss = output.float().square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        average_into(mean, network, 0.998)
        return float(loss.item())  # waits for a GPU

    return step


def inference(network: nn.Module, batch: int, threads: int) -> Callable[[], object]:
    """One inference by onnxruntime, ready to be timed."""
    example, written = torch.randn(batch, 3, 112, 112), io.BytesIO()
    torch.onnx.export(network.cpu().eval(), (example,), written, input_names=["x"], opset_version=17, dynamo=False)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(written.getvalue(), settings, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": example.numpy()})


def fastest(jobs: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Seconds by ``clock`` of every job's fastest run; the jobs take turns, after one run each to warm up."""
    best = dict.fromkeys(jobs, float("inf"))
    for number in range(rounds + 1):
        for name, job in jobs.items():
            begun = clock()
            job()
            if number:
                best[name] = min(best[name], clock() - begun)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", choices=backbone.NAMES, default=["dense", "mobilefacenet"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    device.options(parser)
    parser.set_defaults(threads=1)
    arguments = parser.parse_args()
    where = device.prepare(arguments)
    costs = {name: cost(backbone.make(name)) for name in arguments.backbones}
    precision = device.precision_of(arguments.precision, where)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    jobs = {name: inference(backbone.make(name), arguments.batch, arguments.threads) for name in costs}
    inferred = fastest(jobs, arguments.rounds, clock)
    jobs = {name: training_step(backbone.make(name), arguments.batch, where, precision) for name in costs}
    trained = fastest(jobs, arguments.rounds, clock if where.type == "cpu" else time.perf_counter)
    table = Table(title=f"batch {arguments.batch}, {arguments.threads} threads, training on {where.type}")
    for title in ("backbone", "parameters (million)", "MAC (million)", "training images/s", "inference ms a face"):
        table.add_column(title, justify="left" if title == "backbone" else "right")
    rows = {}
    for name, (parameters, operations) in costs.items():
        rows[name] = {
            "parameters": parameters,
            "multiply_accumulates": operations,
            "training_images_per_s": round(arguments.batch / trained[name], 1),
            "inference_ms_per_face": round(1000 * inferred[name] / arguments.batch, 2),
        }
        speeds = f"{rows[name]['training_images_per_s']:.0f}", f"{rows[name]['inference_ms_per_face']:.2f}"
        table.add_row(name, f"{parameters / 1e6:.2f}", f"{operations / 1e6:.0f}", *speeds)
    Console().print(table)
    print(json.dumps({"device": where.type, "batch": arguments.batch, "threads": arguments.threads, "backbones": rows}))


if __name__ == "__main__":
    main()
