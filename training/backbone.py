"""A backbone tuned to classes of one's own: what it then dreams of.

First a linear classifier over the mean of its deepest layer, then that layer and those before it along
with it: a random classifier would tear up what the network knows (Kumar et al. 2022, "Fine-Tuning can
Distort Pretrained Features and Underperform Out-of-Distribution").
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone, Classifier, layers_of, load_backbone
from rtstyle.stylizers.defaults import TUNED_BATCH, TUNED_CROP, TUNED_EPOCHS, TUNED_RATE
from rtstyle.stylizers.gatys_layers import reach
from rtstyle.training.classes import Classes, middle_crop, random_crop

_HEAD_RATE = 1e-4  # for the classifier, beside it
_DECAY = 1e-1  # of the classifier's weights, alone on features of deviation 1
_TRAINED = 0.4  # share of a backbone's layers, the deepest, that are tuned
_TURNS = 100  # of L-BFGS, for the classifier alone


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training pictures came to, as a listener hears it."""

    number: int  # 0: the classifier alone, the backbone as it came
    of: int
    loss: float  # cross entropy in nats, mean over the training crops as they were learned from
    accuracy: float  # 0-1, of these
    validation_loss: float  # over the middles of the validation pictures
    validation_accuracy: float
    right: tuple[int, ...]  # validation pictures told rightly, of each class
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The best state: by validation accuracy, then loss."""

    backbone: Backbone
    classifier: Classifier
    epoch: Epoch


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


def load_trainable(name: str, file: Path | None = None, frozen: str | None = None) -> tuple[Backbone, str]:
    """A backbone with all layers its weights hold, and the last of them that stays as it is.

    The weights beyond ``frozen`` (unless told, the deepest 40 % of the layers) can be trained; normalisations
    keep the statistics they came with. Raises RtstyleError for a layer that is not there or the deepest one.
    """
    held = layers_of(name) if file is None else reach(name, file)
    last = frozen or held[max(0, round((1 - _TRAINED) * len(held)) - 1)]
    backbone = load_backbone(name, held, file)
    kept = load_backbone(name, [last], file).state_dict()
    trained = [weight for key, weight in backbone.named_parameters() if key not in kept]
    if last == held[-1] or not trained:
        raise RtstyleError(f"{name}: nothing comes after {last}; there are: {', '.join(held)}")
    for weight in trained:
        weight.requires_grad_(True)
    return backbone, last


def train_backbone(
    backbone: Backbone,
    classes: Classes,
    training: Sequence[int],
    validation: Sequence[int],
    *,
    epochs: int = TUNED_EPOCHS,
    crop: int = TUNED_CROP,
    batch: int = TUNED_BATCH,
    rate: float = TUNED_RATE,
    seed: int = 0,
    device: torch.device | str = "cpu",
    listener: Callable[[Epoch], None] = lambda epoch: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Tune what of the backbone can be trained, and a classifier over the mean of its last layer.

    Classes count alike, however many pictures they have.

    Args:
        training, validation: places in ``classes.pictures``.
        crop: pixels a side. batch: pictures a step.
        listener: called after each epoch, the first being 0.
        progress: called with the pictures seen and all of the epoch.
        stop: asked before each step; the best state so far is then the result.

    Raises KeyboardInterrupt when stopped before the first epoch is over, RtstyleError when the loss is lost.
    """
    random = torch.Generator().manual_seed(seed)
    model = Classifying(backbone, backbone.layers[-1], len(classes.names)).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = torch.tensor(classes.labels, device=device)
    counts = torch.bincount(labels[list(training)], minlength=len(classes.names)).float()
    even = counts.sum() / (len(counts) * counts)  # weight of a class

    def crops(places: Sequence[int], cut: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        for begin in range(0, len(places), batch):
            if stop():
                raise _Stopped
            own = list(places[begin : begin + batch])
            images = torch.stack([cut(classes.pictures[place]) for place in own])
            yield images.to(device, memory_format=torch.channels_last), labels[own]
            progress(begin + len(own), len(places))

    def middles(places: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        return crops(places, lambda picture: middle_crop(picture, crop))

    tuned = [weight for weight in backbone.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": tuned, "lr": rate}, {"params": model.head.parameters(), "lr": _HEAD_RATE}]
    )
    steps = epochs * -(-len(training) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    best: tuple[tuple[float, float], Epoch, dict[str, Tensor]] | None = None
    try:
        for number in range(epochs + 1):
            begin, sums = perf_counter(), torch.zeros(2, device=device)
            if number == 0:
                sums += _fit_head(model, middles(training), even)
            else:
                order = torch.randperm(len(training), generator=random).tolist()
                shuffled = [training[place] for place in order]
                for images, own in crops(shuffled, lambda picture: random_crop(picture, crop, random)):
                    answers = model(images)
                    loss = F.cross_entropy(answers, own, weight=even)
                    if not torch.isfinite(loss):
                        lost = f"the loss is {float(loss)} in epoch {number}"
                        raise RtstyleError(f"{lost}; lower --rate ({rate:g})")
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    sums += torch.stack([loss.detach() * len(own), (answers.argmax(1) == own).sum()])
            mean_loss, accuracy = (sums / len(training)).tolist()
            tested = _tested(model, middles(validation), even)
            right = tuple(tested[1])
            epoch = Epoch(
                number, epochs, mean_loss, accuracy, tested[0], sum(right) / len(validation), right,
                perf_counter() - begin,
            )  # fmt: skip
            listener(epoch)
            rank = (epoch.validation_accuracy, -epoch.validation_loss)
            if best is None or rank > best[0]:
                best = rank, epoch, copy.deepcopy(model.state_dict())
    except _Stopped:
        if best is None:
            raise KeyboardInterrupt from None
    assert best is not None
    model.load_state_dict(best[2])
    backbone.requires_grad_(False)
    return Trained(backbone.cpu(), model.cpu().classifier(classes.names), best[1])


class _Stopped(Exception):
    """Asked to stop between two steps."""


def _fit_head(model: Classifying, batches: Iterator[tuple[Tensor, Tensor]], even: Tensor) -> Tensor:
    """Fit the classifier alone, on features of deviation 1; the sums of its losses and of right answers."""
    with torch.no_grad():
        seen = [(model.mean_features(images), labels) for images, labels in batches]
    features, labels = (torch.cat(part) for part in zip(*seen, strict=True))
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
def _tested(
    model: Classifying, batches: Iterator[tuple[Tensor, Tensor]], even: Tensor
) -> tuple[float, list[int]]:
    """The mean loss, and how many of each class were told rightly."""
    answers, labels = (
        torch.cat(part) for part in zip(*((model(images), own) for images, own in batches), strict=True)
    )
    right = labels[answers.argmax(1) == labels]
    loss = float(F.cross_entropy(answers, labels, weight=even))
    return loss, torch.bincount(right, minlength=len(even)).tolist()
