"""Where in a log the power is cut, and what has to be there then."""

from bisect import bisect_right
from dataclasses import dataclass

from . import ledger
from .recorded_server import PHASE_MARK, TABLE_MARK
from .recording import FLUSH_COMPLETED, MARK

# "About a second", on a busy machine with a slow disk.
EVERYSEC_NANOSECONDS = 3_000_000_000


@dataclass
class Phase:
    """What the server was doing between two positions of a log."""

    name: str
    first: int
    end: int


def phases(recording):
    """What the marks say happened when."""
    starts = [
        (position, recording.payload(event)[1:].decode()) for position, event in enumerate(recording.events)
        if event.kind == MARK and recording.payload(event)[:1] == PHASE_MARK]
    ends = [position for position, _ in starts[1:]] + [len(recording.events)]
    return [Phase(name, first + 1, end) for (first, name), end in zip(starts, ends)]


def choose_points(recording, count, load_share, random):
    """(position, name of the phase) of crash points in the order of the log: so many of them under
    load, the rest spread over all other phases. A position says how many events have happened."""
    by_name = {}
    for phase in phases(recording):
        by_name.setdefault(phase.name, []).append(phase)
    others = [name for name in by_name if name != "load"]
    points = []
    while len(points) < count:
        name = "load" if "load" in by_name and random.random() < load_share else random.choice(others)
        phase = random.choice(by_name[name])
        position = random.randint(phase.first, phase.end)
        if random.random() < 0.5:
            position = before_next_flush_completes(recording, position, phase.end)
        points.append((position, name))
    return sorted(points)


def before_next_flush_completes(recording, position, end):
    """Where most is unflushed."""
    for later in range(position, end):
        if recording.events[later].kind == FLUSH_COMPLETED:
            return later
    return position


class Acknowledged:
    """The tables of a recording: what was acknowledged when."""

    def __init__(self, recording, first):
        """`first` is the table of when the recording began."""
        self._events = recording.events
        self._recording = recording
        self._first = first
        self._marks = [
            (position, event) for position, event in enumerate(recording.events)
            if event.kind == MARK and recording.payload(event)[:1] == TABLE_MARK]
        # Behind these all that was acknowledged before is flushed, whatever --sync says.
        self._flushed = [phase.first for phase in phases(recording) if phase.name in ("load", "stopped")]

    def _table(self, event):
        return self._recording.payload(event)[1:]

    def at(self, position):
        """The table of a store that has all that was acknowledged when `position` events had happened."""
        before = [event for place, event in self._marks if place < position]
        required = self._table(before[-1]) if before else self._first
        possible = self._table(self._marks[-1][1]) if self._marks else self._first
        return ledger.composed(required, possible)

    def promised(self, position, sync):
        """What has to be there after a power cut at `position`."""
        if sync == "always":
            return self.at(position)
        flushed = max((place for place in self._flushed if place <= position), default=0)
        if sync == "everysec" and position > 0:
            then = self._events[position - 1].nanoseconds - EVERYSEC_NANOSECONDS
            flushed = max(flushed, bisect_right(self._events, then, key=lambda event: event.nanoseconds))
        return self.at(flushed)
