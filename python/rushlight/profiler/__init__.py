"""What a program spends its time on: `torch.profiler` for our engine.

    with rushlight.profiler.profile(record_shapes=True) as prof:
        with rushlight.profiler.record_function("step"):
            model(images).sum().backward()
    print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))
    prof.export_chrome_trace("trace.json")  # for chrome://tracing or ui.perfetto.dev

Ops are seen as Python calls them and as the backward pass runs their nodes; with them the kernel that was
chosen and, where it is known, the share of the machine's measured limit that it reached.
"""

from __future__ import annotations

from ._events import EventList, FunctionEvent, FunctionEventAvg
from ._profile import ProfilerAction, ProfilerActivity, profile, record_function, schedule

__all__ = [
    "EventList",
    "FunctionEvent",
    "FunctionEventAvg",
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
]
