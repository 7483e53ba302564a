"""Recorded events, their sums by name, and the table of those."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Shapes = tuple[tuple[int, ...], ...]


class Columns(NamedTuple):
    """What a table shows only if asked for."""

    memory: bool = False
    flops: bool = False


class Interval(NamedTuple):
    """Microseconds of a steady clock."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        return self.end - self.start


@dataclass
class FunctionEvent:
    """One call of an op, one node of a backward pass, or one `record_function`."""

    name: str
    kind: str  # "op", "backward" or "range"
    thread: int
    time_range: Interval
    self_cpu_time_total: float  # microseconds, without the events inside
    input_shapes: Shapes
    output_shapes: Shapes
    flops: float
    bytes: int
    kernel: str
    refused: str
    share_of_limit: float
    cpu_memory_usage: int  # bytes of tensors its thread allocated meanwhile, less those it freed
    self_cpu_memory_usage: int  # without the events inside
    stack: tuple[str, ...]  # "file(line): function", innermost first; empty unless recorded

    @classmethod
    def of(cls, fields: dict[str, Any], record_shapes: bool) -> FunctionEvent:
        """From what the engine collects."""
        start = fields["start_ns"] / 1e3
        return cls(
            name=fields["name"],
            kind=fields["kind"],
            thread=fields["thread"],
            time_range=Interval(start, start + fields["duration_ns"] / 1e3),
            self_cpu_time_total=fields["self_ns"] / 1e3,
            input_shapes=tuple(sizes for _, sizes in fields["inputs"]) if record_shapes else (),
            output_shapes=tuple(sizes for _, sizes in fields["outputs"]) if record_shapes else (),
            flops=fields["flops"],
            bytes=fields["bytes"],
            kernel=fields["kernel"],
            refused=fields["refused"],
            share_of_limit=fields["share_of_limit"],
            cpu_memory_usage=fields["memory"],
            self_cpu_memory_usage=fields["self_memory"],
            stack=tuple(fields["stack"]),
        )

    @property
    def key(self) -> str:
        return self.name

    @property
    def count(self) -> int:
        return 1

    @property
    def cpu_time_total(self) -> float:
        """Microseconds, with the events inside."""
        return self.time_range.elapsed_us()

    cpu_time = cpu_time_total


@dataclass
class FunctionEventAvg:
    """The events of one name (and, if grouped by them, input shapes or stack); times in microseconds."""

    key: str
    input_shapes: Shapes = ()
    stack: tuple[str, ...] = ()
    count: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    cpu_memory_usage: int = 0
    self_cpu_memory_usage: int = 0
    flops: float = 0.0
    limit_time: float = 0.0  # the shortest possible time of those events whose limit is known,
    limited_time: float = 0.0  # and the time that these took
    kernels: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add(self, event: FunctionEvent) -> None:
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_memory_usage += event.self_cpu_memory_usage
        self.flops += event.flops
        if event.share_of_limit > 0:
            self.limited_time += event.cpu_time_total
            self.limit_time += event.share_of_limit * event.cpu_time_total
        for seen, notes in ((self.kernels, event.kernel), (self.refused, event.refused)):
            seen += [note for note in notes.split(", ") if note and note not in seen]

    @property
    def cpu_time(self) -> float:
        """Microseconds a call."""
        return self.cpu_time_total / self.count

    @property
    def share_of_limit(self) -> float:
        """Of the machine's measured limit; 0 if unknown."""
        return self.limit_time / self.limited_time if self.limited_time else 0.0


METRICS = ("self_cpu_time_total", "cpu_time_total", "self_cpu_memory_usage", "cpu_memory_usage", "flops")
SORT_KEYS = ("cpu_time", "count", *METRICS)


class EventList(list[Any]):
    """Events, or their averages, that print as a table."""

    def __init__(self, events: Iterable[Any] = (), columns: Columns | None = None) -> None:
        super().__init__(events)
        self._columns = columns or Columns()

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each counted once."""
        return float(sum(event.self_cpu_time_total for event in self))

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    def key_averages(self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0) -> EventList:
        """Sums by name; also by input shapes and by the innermost frames of the stack, if asked."""
        groups: dict[tuple[str, Shapes, tuple[str, ...]], FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shapes else ()
            key = event.name, shapes, event.stack[: max(group_by_stack_n, 0)]
            groups.setdefault(key, FunctionEventAvg(*key)).add(event)
        return EventList(groups.values(), self._columns)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes a line "outermost;...;innermost cost" an event, which flame graph tools read.

        Needs ``profile(with_stack=True)``; events without a stack or cost are left out.

        Args:
            path: the text file to write.
            metric: "self_cpu_time_total" or "cpu_time_total" (microseconds), "self_cpu_memory_usage" or
                "cpu_memory_usage" (bytes), or "flops".

        Raises:
            ValueError: if there is no such metric.
        """
        if metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {metric!r}")
        plain = str.maketrans(" ;\t\n", "____")
        with open(path, "w", encoding="utf-8") as file:
            for event in self:
                cost = int(getattr(event, metric))
                if event.stack and cost > 0:
                    frames = ";".join(frame.translate(plain) for frame in reversed(event.stack))
                    file.write(f"{frames} {cost}\n")

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
    ) -> str:
        """The list as text.

        Args:
            sort_by: "cpu_time", "cpu_time_total", "self_cpu_time_total", "cpu_memory_usage",
                "self_cpu_memory_usage", "count" or "flops", largest first; the order of the list if None.
            row_limit: rows at most; -1 for all.
            max_src_column_width: of longer lines of the stack the end is shown.
            max_name_column_width: longer names are cut.
            max_shapes_column_width: longer lists of shapes are cut.
            header: a line above the table.

        Raises:
            AttributeError: if there is no such column.
        """
        from ._table import Widths, table

        rows = list(self)
        if sort_by is not None:
            if sort_by not in SORT_KEYS:
                raise AttributeError(f"sort_by: expected one of {', '.join(SORT_KEYS)}, got {sort_by!r}")
            rows.sort(key=lambda row: getattr(row, sort_by), reverse=True)
        shown = rows if row_limit < 0 else rows[:row_limit]
        widths = Widths(max_src_column_width, max_name_column_width, max_shapes_column_width)
        return table(shown, self.self_cpu_time_total, self._columns, widths, header)
