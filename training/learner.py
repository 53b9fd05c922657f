"""One step of learning: forward, objective, backward, update, the same in one process or several."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rtstyle.engines.processor import has_bfloat16
from rtstyle.networks import Network
from rtstyle.perception.backbones import Backbone
from rtstyle.training.distributed import Processes
from rtstyle.training.edges import edge_error
from rtstyle.training.health import spread
from rtstyle.training.loader import Batch
from rtstyle.training.motion import temporal_error
from rtstyle.training.objective import Objective
from rtstyle.training.recipe import Recipe


@dataclass(frozen=True)
class Lesson:
    """What came of one step, the mean over all processes."""

    terms: dict[str, float]  # named, weighted; their sum is the objective
    finite: bool  # else nothing was learned
    output_spread: float  # see ``health.spread``
    photo_spread: float
    stopping: bool  # some process was told to stop


class Learner:
    """A network, its optimiser and its objective on one device."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        painting: Tensor,
        backbone: Backbone,
        content_backbone: Backbone,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.device, self._recipe, self._processes = device, recipe, processes
        self.network = network.train()
        for part in (network, backbone, content_backbone):
            part.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        style = {layer: recipe.style_weight * weight for layer, weight in recipe.style_layers.items()}
        content = {layer: recipe.content_weight * weight for layer, weight in recipe.content_layers.items()}
        self._objective = Objective(
            backbone,
            content_backbone,
            painting.to(device),
            style=style,
            content=content,
            variation=recipe.variation_weight,
            grid=recipe.grid_weight,
        )
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)

    def learn(self, batch: Batch, rate: float, stopping: bool) -> Lesson:
        """One step with this process's share of a batch."""
        recipe, device = self._recipe, self.device
        batch = batch.to(device)
        both: Tensor = self.network(torch.cat([batch.views.first, batch.views.second]))
        output, later = both.chunk(2)
        # The network itself stays in float32: a sixth of the work, slower in bfloat16 on a processor, and
        # rounded to eight bits its pictures would differ by more than the temporal error is to measure.
        half = recipe.bfloat16 and computes_in_bfloat16(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            terms = self._objective(output, batch.photo)
        terms["edge"] = recipe.edge_weight * edge_error(self.network, batch.views.first, output)
        terms["temporal"] = recipe.temporal_weight * temporal_error(output, later, batch.views)
        values = torch.stack([term.float() for term in terms.values()])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        values.sum().backward()
        told = torch.full((1,), float(stopping), device=device)  # no copy, for which a GPU would be waited
        facts = torch.cat([values.detach(), spread(output.detach())[None], spread(batch.photo)[None], told])
        # Every term is a mean over pictures, so the mean of equal shares is that of the whole batch.
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        self._processes.average([*gradients, facts])
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
        *numbers, finite = torch.cat([facts, norm.isfinite().float()[None]]).tolist()  # waits for a GPU once
        if finite:
            self.optimizer.step()
        *parts, output_spread, photo_spread, told_share = numbers
        return Lesson(
            dict(zip(terms, parts, strict=True)), finite > 0, output_spread, photo_spread, told_share > 0
        )


def by_kind(terms: Mapping[str, float]) -> dict[str, float]:
    """Terms summed by the first word of their names: content, style, variation, grid, edge, temporal."""
    sums: dict[str, float] = {}
    for name, value in terms.items():
        kind = name.split()[0]
        sums[kind] = sums.get(kind, 0.0) + value
    return sums


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether it has instructions for it; a GPU older than Ampere imitates it, slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return has_bfloat16()
