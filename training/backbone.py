"""A backbone tuned to classes of one's own: what it then dreams of.

First a linear classifier over the mean of its deepest layer, then that layer and those before it along
with it: a random classifier would tear up what the network knows (Kumar et al. 2022, "Fine-Tuning can
Distort Pretrained Features and Underperform Out-of-Distribution").
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from rtstyle.errors import RtstyleError
from rtstyle.perception.backbones import Backbone, Classifier, layers_of, load_backbone
from rtstyle.stylizers.defaults import TUNED_BATCH, TUNED_CROP, TUNED_EPOCHS, TUNED_RATE
from rtstyle.stylizers.gatys_layers import reach
from rtstyle.training.classes import Classes, middle_crop, random_crop
from rtstyle.training.classifying import Classifying, fit_head, tested

_HEAD_RATE = 1e-4  # for the classifier, beside it
_TRAINED = 0.4  # share of a backbone's layers, the deepest, that are tuned


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

    @property
    def rank(self) -> tuple[float, float]:
        """The larger the better: by validation accuracy, then loss."""
        return self.validation_accuracy, -self.validation_loss


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The best state, by `Epoch.rank`."""

    backbone: Backbone
    classifier: Classifier
    epoch: Epoch
    lost: str = ""  # why training ended before its last epoch, where it went astray


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
        stop: asked before each step; the best state so far is then the result, as when the loss is lost.

    Raises KeyboardInterrupt or RtstyleError when that happens before the first epoch is over.
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
    best: tuple[Epoch, dict[str, Tensor]] | None = None
    lost = ""
    try:
        for number in range(epochs + 1):
            begin, sums = perf_counter(), torch.zeros(2, device=device)
            if number == 0:
                sums += fit_head(model, middles(training), even)
            else:
                order = torch.randperm(len(training), generator=random).tolist()
                shuffled = [training[place] for place in order]
                for images, own in crops(shuffled, lambda picture: random_crop(picture, crop, random)):
                    answers = model(images)
                    loss = F.cross_entropy(answers, own, weight=even)
                    _check_loss(float(loss.detach()), number, rate)
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    sums += torch.stack([loss.detach() * len(own), (answers.argmax(1) == own).sum()])
            mean_loss, accuracy = (sums / len(training)).tolist()
            validation_loss, right = tested(model, middles(validation), even)
            _check_loss(validation_loss, number, rate)
            epoch = Epoch(
                number, epochs, mean_loss, accuracy, validation_loss, sum(right) / len(validation), right,
                perf_counter() - begin,
            )  # fmt: skip
            listener(epoch)
            if best is None or epoch.rank > best[0].rank:
                best = epoch, copy.deepcopy(model.state_dict())
    except _Stopped:
        if best is None:
            raise KeyboardInterrupt from None
    except KeyboardInterrupt:
        if best is None or not stop():  # else who asked for a stop could not wait for the step to end
            raise
    except _Lost as astray:
        if best is None:
            raise RtstyleError(str(astray)) from None
        lost = str(astray)
    assert best is not None
    model.load_state_dict(best[1])
    backbone.requires_grad_(False)
    return Trained(backbone.cpu(), model.cpu().classifier(classes.names), best[0], lost)


class _Stopped(Exception):
    """Asked to stop between two steps."""


class _Lost(Exception):
    """The loss is not a number any more."""


def _check_loss(loss: float, epoch: int, rate: float) -> None:
    if not math.isfinite(loss):
        raise _Lost(f"the loss is {loss} in epoch {epoch}; lower --rate ({rate:g})")
