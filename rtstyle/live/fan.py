"""All outputs of a live run: each shown frame goes to every one, and at the end they finish together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from rtstyle.frame import Frame, VideoInfo
from rtstyle.live.keeping import PATIENCE, Keeper
from rtstyle.live.outputs import Mailbox, Output
from rtstyle.live.recording import Recording
from rtstyle.live.stats import Stats

# Seconds that the end waits for outputs; one comes after others that hang and has less.
_PATIENCE, _LEAST = 0.8, 0.05
# Frames a recording may be behind before it loses some: a second or so of a slow disk.
_RECORDING_DEPTH = 24


class Fan:
    """Hands frames to outputs, and to a recording while there is one; none holds up another.

    Args:
        outputs: closed by `finish`.
        info: of the frames.
        folder: where snapshots and recordings go, made when first used.
        record: a file to record to from the start.
        stats: told what was shown and dropped.
        say: told what happened, a line each, from any thread.

    Attributes:
        keeper: of snapshots and recordings.
        broken: whether an output ended by an error.
    """

    def __init__(
        self,
        outputs: Iterable[Output],
        info: VideoInfo,
        folder: Path,
        record: Path | None,
        stats: Stats,
        say: Callable[[str], None],
    ) -> None:
        self._outputs, self._stats, self._say = list(outputs), stats, say
        self.broken = False
        self._mailboxes: list[Mailbox] = []
        self.keeper = Keeper(folder, info, lambda each: self._mailbox(each, _RECORDING_DEPTH), say)
        self._first = Recording(record, info, say) if record is not None else None

    @property
    def unheard(self) -> bool:
        """Whether there were outputs, and the last of them has ended."""
        mailboxes = self._present()
        return bool(mailboxes) and not any(mailbox.alive for mailbox in mailboxes)

    def start(self) -> None:
        """Begin the threads of the outputs, and the recording that was asked for."""
        self._mailboxes += [self._mailbox(output) for output in self._outputs]
        if self._first is not None:
            self.keeper.begin(self._first)

    def hand_out(self, shown: Callable[[], Frame]) -> None:
        """Pass on a frame; `shown` makes it, and is called where there is anybody to take it."""
        mailboxes = self._present()
        if not mailboxes:
            return
        frame = shown()
        for mailbox in mailboxes:
            mailbox.put(frame)
            self._stats.dropped(mailbox.output.name, mailbox.newly_dropped())

    def finish(self) -> None:
        """End all outputs at once, then wait for them together; one that hangs is left behind and said."""
        now = monotonic()
        recordings = self.keeper.end()
        waits = dict.fromkeys(self._mailboxes, _PATIENCE) | dict.fromkeys(recordings, PATIENCE)
        for mailbox in waits:
            mailbox.end()
        for mailbox, patience in waits.items():
            if not mailbox.join(max(_LEAST, now + patience - monotonic())):
                self.broken = self.broken or mailbox in recordings
                self._say(f"{mailbox.output.name} does not end; it is left behind")
        self.keeper.join()

    def _present(self) -> list[Mailbox]:
        recorder = self.keeper.recorder
        return [*self._mailboxes, *([recorder] if recorder is not None else [])]

    def _mailbox(self, output: Output, depth: int = 1) -> Mailbox:
        return Mailbox(output, depth=depth, shown=self._stats.shown, failed=self._failed)

    def _failed(self, line: str) -> None:
        self.broken = True
        self._say(line)
