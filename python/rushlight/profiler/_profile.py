"""Recording: what is collected, and when."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from types import TracebackType

from rushlight import _core

from ._chrome import write_chrome_trace
from ._events import Columns, EventList, FunctionEvent


class ProfilerActivity(enum.Enum):
    """What to record. CPU is all there is."""

    CPU = 0
    CUDA = 2


class ProfilerAction(enum.Enum):
    """What the profiler does during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which steps `profile` records.

    After ``skip_first`` steps come cycles of ``wait`` idle steps, ``warmup`` steps whose record is dropped
    and ``active`` recorded ones; ``repeat`` cycles, 0 for no end.

    Raises:
        ValueError: for a negative number, or ``active`` of 0.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise ValueError(
            "schedule: expected wait, warmup, repeat, skip_first >= 0 and active >= 1, got "
            f"wait={wait}, warmup={warmup}, active={active}, repeat={repeat}, skip_first={skip_first}"
        )

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        cycle, place = divmod(step, wait + warmup + active)
        if step < 0 or (repeat > 0 and cycle >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


class profile:
    """Records the ops that run inside a ``with`` block, of all threads.

    Args:
        activities: ProfilerActivity.CPU or nothing; CUDA is passed over with a warning.
        schedule: which steps to record (`schedule`); call `step` after each. Everything if None.
        on_trace_ready: called with the profiler whenever a recorded stretch is complete.
        record_shapes: keep the inputs' shapes, for ``key_averages(group_by_input_shape=True)``.
        profile_memory: show the bytes of tensors that each op allocated, less those it freed.
        with_stack: keep the Python frames from which each op was called, for
            ``key_averages(group_by_stack_n=5)`` and `export_stacks`; some microseconds an op.
        with_flops: show the operations of convolutions and products in the table.

    Raises:
        RuntimeError: if another profiler is recording.
    """

    _recording: profile | None = None

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], object] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
    ) -> None:
        if activities is not None and ProfilerActivity.CUDA in set(activities):
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
        self.step_num = 0
        self._action = schedule if schedule is not None else lambda step: ProfilerAction.RECORD
        self._on_trace_ready = on_trace_ready
        self._record_shapes = record_shapes
        self._with_stack = with_stack
        self._columns = Columns(memory=profile_memory, flops=with_flops)
        self._events: EventList | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts; `with` does it for you."""
        if self._action(self.step_num) is not ProfilerAction.NONE:
            self._record()

    def stop(self) -> None:
        """Stops; `with` does it for you."""
        if profile._recording is self:
            self._save(self._action(self.step_num) is not ProfilerAction.WARMUP)

    def step(self) -> None:
        """Tells that one step of the program has ended and the next begins."""
        before = self._action(self.step_num)
        self.step_num += 1
        after = self._action(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._save(True)
        elif before is ProfilerAction.WARMUP or after is ProfilerAction.NONE:
            self._save(before is ProfilerAction.RECORD)
        if after is not ProfilerAction.NONE and profile._recording is not self:
            self._record()

    def events(self) -> EventList:
        """What was recorded, in order of start.

        Raises:
            RuntimeError: before anything was recorded.
        """
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running: nothing has been recorded yet")
        return self._events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """Sums by name; also by input shapes and by the innermost frames of the stack, if asked."""
        return self.events().key_averages(group_by_input_shape, group_by_stack_n)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events for chrome://tracing or ui.perfetto.dev."""
        write_chrome_trace(self.events(), path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes stacks and what they cost, for flame graphs; see `EventList.export_stacks`."""
        self.events().export_stacks(path, metric)

    def _record(self) -> None:
        if profile._recording is not None:
            raise RuntimeError(
                "Profiler is already enabled on this thread or process: stop the other one first"
            )
        profile._recording = self
        _core._profiler_start(self._with_stack)

    def _save(self, keep: bool) -> None:
        if profile._recording is not self:
            return
        profile._recording = None
        found = [FunctionEvent.of(fields, self._record_shapes) for fields in _core._profiler_stop()]
        if keep:
            found.sort(key=lambda event: (event.time_range.start, -event.time_range.end))
            self._events = EventList(found, self._columns)
            if self._on_trace_ready is not None:
                self._on_trace_ready(self)


class record_function(ContextDecorator):
    """Gives a stretch of the program a name in the profile; a context manager, and a decorator of functions.

    Args:
        name: the row it gets.
        args: shown beside the name, if given.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name if args is None else f"{name}({args})"
        self._ranges: list[_core._ProfilerRange] = []  # one entry can be inside another

    def __enter__(self) -> record_function:
        self._ranges.append(_core._ProfilerRange(self.name))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ranges.pop().end()
