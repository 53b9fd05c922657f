"""A linear classifier over the mean of a backbone's layer: fitted alone, and tested."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone, Classifier

_DECAY = 1e-1  # of the classifier's weights, alone on features of deviation 1
_TURNS = 100  # of L-BFGS, for the classifier alone


class Classifying(nn.Module):
    """(B, 3, H, W) in [0, 1] to (B, classes): a linear map of the mean of a backbone's layer."""

    center: Tensor
    scale: Tensor

    def __init__(self, backbone: Backbone, layer: str, classes: int) -> None:
        super().__init__()
        self.backbone, self.layer = backbone, layer
        with torch.no_grad():
            channels = self.mean_features(torch.zeros(1, 3, backbone.smallest, backbone.smallest)).shape[1]
        self.head = nn.Linear(channels, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def mean_features(self, images: Tensor) -> Tensor:
        """(B, C)."""
        return self.backbone(images)[self.layer].mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.head((self.mean_features(images) - self.center) / self.scale)

    def classifier(self, names: tuple[str, ...]) -> Classifier:
        """The same map of the features as they are."""
        weight = self.head.weight.detach() / self.scale
        bias = self.head.bias.detach() - weight @ self.center
        return Classifier(self.layer, weight.cpu(), bias.cpu(), names)


def fit_head(model: Classifying, batches: Iterator[tuple[Tensor, Tensor]], even: Tensor) -> Tensor:
    """Fit the classifier alone, on features of deviation 1; the sums of its losses and of right answers."""
    with torch.no_grad():
        seen = [(model.mean_features(images), labels) for images, labels in batches]
    features, labels = (torch.cat(part) for part in zip(*seen, strict=True))
    if not features.isfinite().all():
        raise RtstyleError(f"{model.layer} is not finite; are the weights to begin with damaged?")
    model.center.copy_(features.mean(0))
    model.scale.copy_(features.std(0).clamp_min(1e-3 * features.std()))  # some are nearly always 0
    features = (features - model.center) / model.scale
    optimizer = torch.optim.LBFGS(
        model.head.parameters(), max_iter=_TURNS, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def measured() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model.head(features), labels, weight=even)
        loss = loss + _DECAY * model.head.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(measured)
    with torch.no_grad():
        answers = model.head(features)
        loss = F.cross_entropy(answers, labels, weight=even)
    return torch.stack([loss * len(labels), (answers.argmax(1) == labels).sum()])


@torch.no_grad()
def tested(
    model: Classifying, batches: Iterator[tuple[Tensor, Tensor]], even: Tensor
) -> tuple[float, tuple[int, ...]]:
    """The mean loss, and how many of each class were told rightly."""
    answers, labels = (
        torch.cat(part) for part in zip(*((model(images), own) for images, own in batches), strict=True)
    )
    right = labels[answers.argmax(1) == labels]
    loss = float(F.cross_entropy(answers, labels, weight=even))
    return loss, tuple(torch.bincount(right, minlength=len(even)).tolist())
