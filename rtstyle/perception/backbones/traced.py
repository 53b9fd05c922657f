"""A backbone from any network that torch.fx can trace: cut after the deepest layer asked for."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.perception.backbones.backbone import (
    Backbone,
    OtherNetwork,
    check_known,
    check_modules,
    first_words,
    too_deep,
)


class Traced(Backbone):
    """The part of a network that its layers asked for need, with the outputs of those layers."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        name: str,
        network: nn.Module,
        plan: Mapping[str, str],
        layers: Iterable[str],
        weights: Mapping[str, Tensor],
        mean: Iterable[float],
        deviation: Iterable[float],
        average_padding: bool = True,
    ) -> None:
        """``network``: built on the meta device, in eval mode; ``plan``: {layer name: module whose output
        it is}, shallow to deep; ``weights``: the network's own names, from the first layer to any depth;
        without ``average_padding``, average pools leave the zeros around the picture out of the mean.

        Raises RtstyleError where a layer is unknown or deeper than the weights, or where the weights have
        the shapes or modules of another network.
        """
        from torchvision.models.feature_extraction import create_feature_extractor

        super().__init__()
        self.layers = tuple(layers)
        check_known(self.layers, plan, name)
        check_modules(name, dict(network.named_modules()), first_words(plan.values()), weights)
        self._modules_of = {layer: plan[layer] for layer in self.layers}
        # The step after a layer must not write into its features.
        for module in network.modules():
            if hasattr(module, "inplace"):
                module.inplace = False  # type: ignore[assignment]
        self.network = create_feature_extractor(
            network, {module: module for module in self._modules_of.values()}
        )
        if not average_padding:
            _average_without_padding(self.network)
        needed = self.network.state_dict()
        if any(key not in weights for key in needed if not _is_count(key)):
            deepest = max(self.layers, key=list(plan).index)
            raise too_deep(name, deepest, _held(network, plan, weights))
        for key, shape in ((key, held.shape) for key, held in needed.items() if not _is_count(key)):
            if weights[key].shape != shape:
                raise OtherNetwork(
                    f"{name}: {key} is {tuple(weights[key].shape)} in the weights, {tuple(shape)} in the "
                    "network; are they another network's?"
                )
        counts = {key: torch.tensor(0) for key in needed if _is_count(key)}
        self.network.load_state_dict(
            {key: weights[key] for key in needed.keys() - counts} | counts, assign=True
        )
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(tuple(deviation)).view(3, 1, 1))
        self.eval().requires_grad_(False)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        found = self.network((image - self.mean) / self.deviation)
        return {layer: found[module] for layer, module in self._modules_of.items()}

    def file_weights(self) -> dict[str, Tensor]:
        return {key: held for key, held in self.network.state_dict().items() if not _is_count(key)}


def _is_count(key: str) -> bool:
    """Batches a normalisation saw in training: many files leave them out, and nothing here reads them."""
    return key.endswith(".num_batches_tracked")


def _held(network: nn.Module, plan: Mapping[str, str], weights: Mapping[str, Tensor]) -> list[str]:
    """The layers whose every step before them, in order of computation, has its weights."""
    from torchvision.models.feature_extraction import get_graph_node_names

    lacking = [key for key in network.state_dict() if key not in weights and not _is_count(key)]
    # A node may be one of torchvision's own small groups: its weights lie further down in its name.
    nodes = get_graph_node_names(network)[1]
    reached = len(nodes)
    for index, node in enumerate(nodes):
        if any(key.startswith(f"{node}.") for key in lacking):
            reached = index
            break
    ends = {
        layer: max(i for i, node in enumerate(nodes) if node == module or node.startswith(f"{module}."))
        for layer, module in plan.items()
    }
    return [layer for layer, end in ends.items() if end < reached]


def _average_without_padding(network: nn.Module) -> None:
    for node in network.graph.nodes:  # type: ignore[union-attr]
        if node.target is F.avg_pool2d:
            node.kwargs = {**node.kwargs, "count_include_pad": False}
    network.recompile()  # type: ignore[operator]
