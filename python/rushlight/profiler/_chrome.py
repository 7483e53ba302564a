"""Events in the Trace Event Format, which chrome://tracing and ui.perfetto.dev read."""

from __future__ import annotations

import json
import os
from typing import Any

from ._events import EventList, FunctionEvent


def _entry(event: FunctionEvent, origin: float) -> dict[str, Any]:
    known = {
        "Input Dims": [list(shape) for shape in event.input_shapes],
        "Output Dims": [list(shape) for shape in event.output_shapes],
        "Kernel": event.kernel,
        "Refused": event.refused,
        "FLOP": event.flops,
        "Bytes": event.bytes,
        "Of limit": event.share_of_limit,
        "Allocated bytes": event.self_cpu_memory_usage,
        "Call stack": ";".join(event.stack),
    }
    return {
        "ph": "X",
        "cat": {"op": "cpu_op", "backward": "cpu_op", "range": "user_annotation"}[event.kind],
        "name": event.name,
        "pid": os.getpid(),
        "tid": event.thread,
        "ts": event.time_range.start - origin,
        "dur": event.time_range.elapsed_us(),
        "args": {name: value for name, value in known.items() if value},
    }


def write_chrome_trace(events: EventList, path: str) -> None:
    """Writes them to `path`, times from the first event on."""
    origin = min((event.time_range.start for event in events), default=0.0)
    trace = {"displayTimeUnit": "ms", "traceEvents": [_entry(event, origin) for event in events]}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(trace, file)
