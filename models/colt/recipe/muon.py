"""Muon (Jordan et al., 2024): momentum, made orthogonal by a Newton-Schulz iteration, for the matrices of a network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Muon:
    """Updates matrices; set `rate` before each step. Matrices of one shape are updated together."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, momentum: float = 0.95, decay: float = 0.02) -> None:
        self.rate = 0.0
        self._momentum, self._decay = momentum, decay
        self._groups: dict[torch.Size, list[nn.Parameter]] = {}
        for parameter in parameters:
            self._groups.setdefault(parameter.shape, []).append(parameter)
        self._averages = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self._groups.items()
        }

    @torch.no_grad()
    def step(self) -> None:
        """One update from the gradients."""
        for shape, group in self._groups.items():
            gradient = torch.stack([parameter.grad for parameter in group if parameter.grad is not None])
            average = self._averages[shape].lerp_(gradient, 1 - self._momentum)
            update = orthogonal(gradient.lerp(average, self._momentum))
            scale = self.rate * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(group, update, strict=True):
                parameter.mul_(1 - self.rate * self._decay).add_(change, alpha=-scale)

    def state(self) -> list[Tensor]:
        """For a checkpoint."""
        return list(self._averages.values())

    def load(self, state: list[Tensor]) -> None:
        """From a checkpoint."""
        for average, saved in zip(self._averages.values(), state, strict=True):
            average.copy_(saved)


def working_type(device: str) -> torch.dtype:
    """What a device multiplies fastest; bfloat16 on a CPU that only imitates it is thirty times slower."""
    supported = device != "cpu" or torch.cpu._is_avx512_bf16_supported()  # no public name
    return torch.bfloat16 if supported else torch.float32


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest orthogonal matrices, roughly: five steps of a quintic Newton-Schulz iteration."""
    x = matrices.to(working_type(matrices.device.type))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.mT if tall else x).float()
