"""Training: the assistant's tokens, Muon for matrices and AdamW for the rest, flat and then linearly to nothing.

The run is measured in steps of the clock (seconds), so that it fits a machine; a checkpoint every few minutes lets it
be stopped and taken up again.
"""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from data import KINDS, Batch, Example, batches, collate
from model import Colt
from muon import Muon, working_type
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sessions import Kind
from torch.nn import functional

WEIGHTS: dict[Kind, float] = {"weighed": 6.0, "missing": 2.0}
"""How much more some tokens count. All that is learned of a weighed choice is two or three tokens, where a call has
thirty; and what was not said had better be asked for than made up."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast."""

    seconds: float = 1500.0
    matrix_rate: float = 0.012
    other_rate: float = 2e-3
    tokens: tuple[int, int] = (4096, 8192)
    """Tokens in a batch, in the first and in the second half."""
    flat: float = 0.5
    """Share of the run before the rates decline."""
    drills: float = 0.12
    """Share of batches that are drills, in the first three quarters."""
    seed: int = 0
    device: str = "cpu"
    checkpoint_seconds: float = 180.0


def train(model: Colt, examples: list[Example], drill: list[Example], plan: Plan, checkpoint: Path) -> None:
    """Train a model from where it is, or go on from `checkpoint` if that is there."""
    _keep_memory()
    model.to(plan.device)
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embedding" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embedding" in name]
    muon, adam = Muon(matrices), torch.optim.AdamW(others, lr=plan.other_rate, betas=(0.9, 0.95), weight_decay=0.0)
    spent = _resume(checkpoint, model, muon, adam)
    random = Random(plan.seed + int(spent))
    streams = {size: batches(examples, size, random) for size in plan.tokens}
    drilling = batches(drill, plan.tokens[0], random)
    start = saved = time.monotonic() - spent
    loss_shown, seen = 0.0, 0
    with _progress() as progress:
        bar = progress.add_task("training", total=plan.seconds, completed=spent, note="")
        while (elapsed := time.monotonic() - start) < plan.seconds:
            share = elapsed / plan.seconds
            rate = min(1.0, share / 0.02) * (1.0 if share < plan.flat else max(0.01, (1 - share) / (1 - plan.flat)))
            muon.rate = plan.matrix_rate * rate
            for group in adam.param_groups:
                group["lr"] = plan.other_rate * rate
            drills = share < 0.75 and random.random() < plan.drills
            batch = collate(next(drilling) if drills else next(streams[plan.tokens[share >= 0.5]]))
            loss = step(model, batch, plan.device)
            adam.step()
            muon.step()
            model.zero_grad(set_to_none=True)
            seen += int((batch.ids != 0).sum())
            if not drills:
                loss_shown = 0.98 * loss_shown + 0.02 * loss if loss_shown else loss
            note = f"loss {loss_shown:.4f}, {seen / 1e6:.1f}M tokens, {seen / max(elapsed - spent, 1):.0f}/s"
            progress.update(bar, completed=elapsed, note=note)
            if time.monotonic() - saved > plan.checkpoint_seconds:
                saved = time.monotonic()
                _save(checkpoint, model, muon, adam, elapsed)
                if not progress.console.is_terminal:
                    print(f"{elapsed:.0f} of {plan.seconds:.0f} s: {note}", flush=True)
    _save(checkpoint, model, muon, adam, plan.seconds)


def step(model: Colt, batch: Batch, device: str) -> float:
    """Forward and backward over one batch; returns the loss per learned token."""
    ids = batch.ids.to(device)
    learned = torch.zeros_like(ids, dtype=torch.bool)
    learned[:, :-1] = batch.kinds.to(device)[:, 1:] != KINDS.index("context")
    kind = working_type(torch.device(device).type)
    with torch.autocast(device, torch.bfloat16, enabled=kind is torch.bfloat16):
        scores = model(ids, learned)
    each = functional.cross_entropy(scores.float(), ids[:, 1:][learned[:, :-1]], reduction="none")
    weights = torch.tensor([WEIGHTS.get(kind, 1.0) for kind in KINDS], device=device)
    weights = weights[batch.kinds.to(device)[:, 1:][learned[:, :-1]]]
    loss = (weights * each).sum() / weights.sum()
    loss.backward()
    return loss.item()


def begin_again(finished: Path, checkpoint: Path) -> None:
    """Write a checkpoint with the weights of a finished training, its clock at the start; one that is there stays."""
    if not checkpoint.exists():
        torch.save({**torch.load(finished, weights_only=True), "spent": 0.0}, checkpoint)


def _keep_memory() -> None:
    """Let glibc keep what is freed: large arrays are made anew in every step, and mapping them again took a tenth of
    the time (`mallopt`: M_TRIM_THRESHOLD, M_MMAP_MAX)."""
    with suppress(OSError, AttributeError):
        keep = ctypes.CDLL("libc.so.6").mallopt
        keep(-1, 2**31 - 1)
        keep(-4, 0)


def _save(path: Path, model: Colt, muon: Muon, adam: torch.optim.AdamW, spent: float) -> None:
    state = {
        "shape": model.shape.as_dict(),
        "model": model.state_dict(),
        "muon": muon.state(),
        "adam": adam.state_dict(),
        "spent": spent,
    }
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)


def _resume(path: Path, model: Colt, muon: Muon, adam: torch.optim.AdamW) -> float:
    if not path.exists():
        return 0.0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    muon.load(state["muon"])
    adam.load_state_dict(state["adam"])
    return float(state["spent"])


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn()
    )
