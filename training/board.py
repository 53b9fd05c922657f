"""The terms of a training run for TensorBoard, where it is installed."""

from pathlib import Path
from typing import Any

from rtstyle.errors import RtstyleError
from rtstyle.training.train import Step


def check_installed() -> None:
    """Raise RtstyleError where TensorBoard is not."""
    _writer_class()


class Board:
    """Hears every step and writes its terms, their kinds and the learning rate as scalars."""

    def __init__(self, folder: Path) -> None:
        """Raises RtstyleError where TensorBoard is not installed."""
        self._writer = _writer_class()(str(folder))

    def __call__(self, step: Step) -> None:
        values = {"learning rate": step.learning_rate, "waiting for data": step.waited / step.seconds}
        values |= {f"kinds/{name}": value for name, value in step.groups().items()}
        values |= {f"terms/{name}": value for name, value in step.terms.items()}
        for name, value in values.items():
            self._writer.add_scalar(name, value, step.number)

    def close(self) -> None:
        self._writer.close()


def _writer_class() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RtstyleError("--tensorboard needs TensorBoard: pip install 'rtstyle[train]'") from error
    return SummaryWriter
