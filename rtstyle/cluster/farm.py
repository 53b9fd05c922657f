"""Workers of a Ray cluster that restyle segments: kept busy, replaced when they die."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from rtstyle.cluster.segments import Segment
from rtstyle.cluster.workers import Encoded, Job, restyle_segment
from rtstyle.errors import RtstyleError, one_line
from rtstyle.frame import Divisible, Stylizer

# Cores of a worker without a GPU, and at most of one with.
_CORES, _MOST_CORES = 1, 4
# Bytes that such a worker takes: 0.75e9 at 640x360, more for larger pictures.
_MEMORY = 1_500_000_000
# Bytes of shared memory for a cluster of this machine alone: packets pass through it, pictures never do.
_STORE = 500_000_000
# Deaths over the same segment, or before any work, until the job is given up: then it is the cause of them.
_DEATHS = 3

Load = Callable[[], Stylizer]


class Worker:
    """A process on some machine that holds a stylizer; Ray makes an actor of it."""

    def load(self, load: Load, folder: str, variables: dict[str, str], threads: int) -> None:
        """Get ready: the stylizer is loaded as in `folder` with these environment variables."""
        import torch

        if Path(folder).is_dir():
            os.chdir(folder)  # paths mean what they meant where the command was given
        os.environ.update(variables)
        torch.set_num_threads(threads)
        self._threads = threads
        self._stylizer = load()

    def restyle(self, job: Job, segment: Segment) -> Encoded:
        assert isinstance(self._stylizer, Divisible)
        return restyle_segment(job, segment, self._stylizer, self._threads)


class Farm:
    """Workers on a Ray cluster, one a core or one a GPU, for one video after another.

    Machines must see the videos under the same paths (a shared folder) and have the same rtstyle.

    Args:
        address: of the cluster, as `ray.init` takes it (``auto``, ``HOST:6379``, ``ray://HOST:10001``), or
            ``local`` for one on this machine that ends with the farm.
        load: makes the stylizer of a worker; pickled.
        device: ``cpu`` leaves GPUs alone.
        cores: of this machine for ``local``; all if None.

    Raises RtstyleError where Ray is missing, the cluster cannot be reached or holds nobody to work.
    """

    def __init__(self, address: str, load: Load, device: str = "auto", cores: int | None = None) -> None:
        self._ray = _ray()
        self._load = load
        self._tasks: dict[Any, tuple[Any, Job | None, Segment | None]] = {}  # by Ray's reference
        self._idle: list[Any] = []
        self._deaths: Counter[Segment | None] = Counter()
        self._started = not self._ray.is_initialized()
        if self._started:
            _connect(self._ray, address, cores)
        try:
            total = self._ray.cluster_resources()
            cpus, gpus = int(total.get("CPU", 0)), int(total.get("GPU", 0))
            if gpus and device != "cpu":
                self.workers, self._threads, gpu = gpus, min(_MOST_CORES, max(1, cpus // gpus)), 1
            else:
                room = int(total.get("memory", _MEMORY * cpus)) // _MEMORY
                self.workers, self._threads, gpu = min(cpus // _CORES, room), _CORES, 0
            if self.workers < 1:
                raise RtstyleError(f"the Ray cluster at '{address}' has no core and 1.5 GB for a worker")
            self._actor = self._ray.remote(num_cpus=self._threads, num_gpus=gpu)(Worker)
            for _ in range(self.workers):
                self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, finished or not, and a local cluster with them. Safe to repeat."""
        for actor in [*self._idle, *(task[0] for task in self._tasks.values())]:
            self._ray.kill(actor)
        self._idle, self._tasks = [], {}
        if self._started:
            self._ray.shutdown()

    def restyle(self, job: Job, segments: Sequence[Segment]) -> Iterator[Encoded]:
        """The segments, numbered from 0, restyled and given back in order.

        One whose worker died is given to another; it is given back once.

        Raises:
            RtstyleError: what a worker raised, or workers died over and over.
        """
        waiting, done = deque(segments), dict[int, Encoded]()
        self._deaths.clear()
        for number in range(len(segments)):
            while number not in done:
                # Not far ahead of a slow one, whose followers are held in memory.
                while self._idle and waiting and waiting[0].number <= number + 2 * self.workers:
                    segment = waiting.popleft()
                    actor = self._idle.pop()
                    self._tasks[actor.restyle.remote(job, segment)] = (actor, job, segment)
                ready, _ = self._ray.wait(list(self._tasks))
                self._collect(ready[0], job, waiting, done)
            yield done.pop(number)

    def _collect(self, ref: Any, job: Job, waiting: deque[Segment], done: dict[int, Encoded]) -> None:
        """Take what a worker has done, or what became of it."""
        actor, ordered, segment = self._tasks.pop(ref)
        try:
            result = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:  # raised by the work itself
            if segment is None:
                self._replace(actor)  # for another video
            else:
                self._idle.append(actor)
            if ordered in (job, None):
                cause = getattr(error, "cause", None)
                raise (cause if isinstance(cause, RtstyleError) else error) from None
        except self._ray.exceptions.RayError as error:  # the process or the machine is gone
            self._replace(actor)
            self._deaths[segment] += 1
            if self._deaths[segment] >= _DEATHS:
                what = f"segment {segment.number}" if segment else "loading the style"
                raise RtstyleError(f"{_DEATHS} workers died over {what}: {one_line(error)}") from None
            if segment is not None and ordered is job:
                waiting.appendleft(segment)
        else:
            self._idle.append(actor)
            if segment is not None and ordered is job:
                done[segment.number] = result

    def _replace(self, actor: Any) -> None:
        self._ray.kill(actor)
        self._start()

    def _start(self) -> None:
        """One worker more; it counts as soon as it is ready, which may be never on a full cluster."""
        actor = self._actor.remote()
        variables = {name: value for name, value in os.environ.items() if name.startswith("RTSTYLE_")}
        ready = actor.load.remote(self._load, str(Path.cwd()), variables, self._threads)
        self._tasks[ready] = (actor, None, None)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise RtstyleError("Ray is not installed; pip install 'rtstyle[ray]'") from None
    return ray


def _connect(ray: Any, address: str, cores: int | None) -> None:
    """Join a cluster, or start one; signals go on meaning what they meant."""
    local = {"num_cpus": cores, "object_store_memory": _STORE, "include_dashboard": False}
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(local if address == "local" else {}),
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise RtstyleError(f"cannot join the Ray cluster at '{address}' ({one_line(error)})") from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)
