"""rushlight.profiler and RUSHLIGHT_VERBOSE: what is seen, how it is summed and shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule
from tests.helpers import check_raises


def convolve() -> None:
    image = torch.rand(2, 3, 9, 9)
    weight = torch.rand(4, 3, 3, 3, requires_grad=True)
    torch.nn.functional.conv2d(image, weight, padding=1).relu().sum().backward()


def names(prof: profile) -> list[str]:
    return [event.name for event in prof.events()]


def test_ops_and_backward_nodes_are_seen_in_order() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        convolve()
    seen = [name for name in names(prof) if name != "rand"]
    forward = ["conv2d", "relu", "sum"]
    backward = ["SumBackward0", "ReluBackward0", "ConvolutionBackward0", "torch::autograd::AccumulateGrad"]
    assert seen[:3] == forward
    assert [name.split("::")[-1] for name in seen[3:]] == [name.split("::")[-1] for name in backward]
    assert {event.kind for event in prof.events()} == {"op", "backward"}


def test_operators_and_in_place_forms_are_seen() -> None:
    a = torch.ones(3)
    with profile() as prof:
        b = a + 1
        b *= 2
        b = 3 - b / a
        b = -(b**2)
        b.add_(a)
    assert names(prof) == ["add", "mul_", "div", "sub", "pow", "neg", "add_"]


def test_nothing_is_seen_outside_the_block() -> None:
    torch.ones(3) + 1
    with profile() as prof:
        pass
    torch.ones(3) + 1
    assert names(prof) == []
    assert prof.key_averages().table().count("\n") > 3  # an empty table is a table


def test_averages_sum_by_name_and_by_shape() -> None:
    with profile(record_shapes=True) as prof:
        for size in (2, 3, 3):
            torch.zeros(size).exp()
    by_name = {average.key: average for average in prof.key_averages()}
    assert by_name["exp"].count == 3
    total = sum(event.cpu_time_total for event in prof.events() if event.name == "exp")
    assert by_name["exp"].cpu_time_total == pytest.approx(total)
    assert by_name["exp"].cpu_time == pytest.approx(total / 3)
    by_shape = prof.key_averages(group_by_input_shape=True)
    counts = {average.input_shapes: average.count for average in by_shape if average.key == "exp"}
    assert counts == {((2,),): 1, ((3,),): 2}


def test_self_time_leaves_out_what_runs_inside() -> None:
    with profile() as prof, record_function("outer"):
        with record_function("inner"):
            torch.rand(1000).exp()
        torch.rand(1000).exp()
    outer, inner = prof.events()[:2]
    assert (outer.name, inner.name) == ("outer", "inner")
    direct = [event for event in prof.events() if event.name in ("rand", "exp")]
    assert inner.self_cpu_time_total == pytest.approx(
        inner.cpu_time_total - sum(event.cpu_time_total for event in direct[:2])
    )
    assert outer.self_cpu_time_total == pytest.approx(
        outer.cpu_time_total - inner.cpu_time_total - sum(event.cpu_time_total for event in direct[2:])
    )
    whole = prof.events().self_cpu_time_total
    assert whole == pytest.approx(outer.cpu_time_total)


def test_record_function_decorates_and_takes_arguments() -> None:
    @record_function("work", "x")
    def work(value: int) -> int:
        return value + 1

    with profile() as prof:
        assert work(1) == 2
    assert names(prof) == ["work(x)"]


def test_record_function_may_end_out_of_order() -> None:
    with profile() as prof:
        first, second = record_function("first"), record_function("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        torch.zeros(1)
        second.__exit__(None, None, None)
        torch.zeros(1)
    assert sorted(names(prof)) == ["first", "second", "zeros", "zeros"]


def test_an_op_that_raises_is_recorded() -> None:
    with profile() as prof, pytest.raises(RuntimeError):
        torch.ones(2) @ torch.ones(3)
    assert "__matmul__" in names(prof) or "matmul" in names(prof)


def test_threads_are_told_apart() -> None:
    with profile() as prof:
        torch.zeros(1)
        other = threading.Thread(target=torch.zeros, args=(1,))
        other.start()
        other.join()
    assert len({event.thread for event in prof.events()}) == 2


def test_bytes_count_each_operand_once_and_views_nothing() -> None:
    a, row = torch.zeros(4, 5), torch.zeros(5)
    with profile() as prof:
        a + row
        a.t()
        a.add_(row.expand(4, 5))
    moved = {event.name: event.bytes for event in prof.events()}
    assert moved == {"add": 4 * (20 + 5 + 20), "t": 0, "expand": 0, "add_": 4 * (20 + 5 + 20)}


def test_steps_in_place_tell_what_they_wrote() -> None:
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        with profile(record_shapes=True) as prof:
            optimizer.step()
    (step,) = (event for event in prof.events() if event.name == "sgd_step_")
    assert step.output_shapes == ((3, 4), (3,), (3, 4), (3,))  # parameters and momentum
    assert step.bytes == 5 * 4 * 15


def test_layers_in_one_pass_are_seen() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).eval()
    with torch.no_grad(), profile(record_shapes=True) as prof:
        model(torch.ones(1, 3, 8, 8))
    convolution = prof.events()[-1]
    assert convolution.name == "conv2d_fused"
    assert convolution.input_shapes == ((1, 3, 8, 8), (4, 3, 3, 3), (4,))
    assert convolution.flops == 2 * 36 * 4 * 27


def test_kernels_say_their_name_and_work() -> None:
    with profile(with_flops=True) as prof:
        torch.rand(64, 64) @ torch.rand(64, 64)
        torch.nn.functional.conv2d(torch.rand(1, 8, 16, 16), torch.rand(16, 8, 3, 3), padding=1)
    product, convolution = (event for event in prof.events() if event.name != "rand")
    assert product.flops == 2 * 64**3
    assert convolution.flops == 2 * 16 * 16 * 16 * 8 * 9
    assert "gemm" in product.kernel
    assert convolution.kernel
    table = prof.key_averages().table()
    assert "GFLOP" in table
    assert product.kernel in table


def test_memory_counts_what_an_op_keeps() -> None:
    with profile(profile_memory=True) as prof, record_function("outer"):
        big = torch.zeros(1 << 18)
        small = big[:1024] + 1
        del big
    events = {event.name: event for event in prof.events()}
    assert events["zeros"].cpu_memory_usage == 1 << 20
    assert events["getitem"].cpu_memory_usage == 0
    assert events["add"].self_cpu_memory_usage == 4096 == small.numel() * 4
    assert events["outer"].cpu_memory_usage == 4096
    assert events["outer"].self_cpu_memory_usage == -(1 << 20)
    rows = prof.key_averages()
    table = rows.table(sort_by="self_cpu_memory_usage")
    assert re.search(r"zeros .* 1\.00 MB +1\.00 MB ", table)
    assert re.search(r"outer .* 4\.00 KB +-1\.00 MB ", table)
    assert table.index("zeros") < table.index("add") < table.index("outer")
    with profile() as prof:
        torch.zeros(8)
    assert "Mem" not in prof.key_averages().table()


def test_stacks_tell_callers_apart(tmp_path: Path) -> None:
    def first() -> None:
        torch.ones(3) + 1

    def second() -> None:
        for _ in range(2):
            torch.ones(3) + 1

    with profile(with_stack=True) as prof:
        first()
        second()
    adds = [event for event in prof.events() if event.name == "add"]
    assert [re.sub(r".*: ", "", event.stack[0]) for event in adds] == ["first", "second", "second"]
    assert re.fullmatch(r".*test_profiler\.py\(\d+\): first", adds[0].stack[0])
    assert "test_stacks_tell_callers_apart" in adds[0].stack[1]
    rows = [row for row in prof.key_averages(group_by_stack_n=1) if row.key == "add"]
    assert [(row.count, row.stack) for row in rows] == [(1, adds[0].stack[:1]), (2, adds[1].stack[:1])]
    assert [row.count for row in prof.key_averages() if row.key == "add"] == [3]
    deep = prof.key_averages(group_by_stack_n=2).table(max_src_column_width=40)
    assert deep.splitlines()[-2].startswith("-")
    assert re.search(r"add .* \.\.\..*: first\n +\.\.\..*: test_stacks_tell_callers_apart\n", deep)
    path = tmp_path / "stacks.txt"
    prof.export_stacks(str(path))
    lines = path.read_text().splitlines()
    assert all(re.fullmatch(r"(\S+;)*\S+ [1-9]\d*", line) for line in lines)
    check_raises(lambda: prof.export_stacks(str(path), "cost"), ValueError, "self_cpu_time_total.*cost")
    with profile() as prof:
        first()
    assert all(event.stack == () for event in prof.events())


def test_table_is_sorted_and_cut() -> None:
    with profile() as prof:
        for _ in range(3):
            torch.zeros(1)
        torch.rand(100_000).exp()
    lines = prof.key_averages().table(sort_by="count", row_limit=1, header="header").splitlines()
    assert lines[0] == "header"
    assert re.split(" {2,}", lines[2].strip())[:3] == ["Name", "Self CPU %", "Self CPU"]
    assert lines[4].split()[0] == "zeros"
    assert lines[5].startswith("---")
    assert lines[6].startswith("Self CPU time total:")
    longest = max(prof.key_averages(), key=lambda average: average.self_cpu_time_total)
    assert prof.key_averages().table(sort_by="self_cpu_time_total").splitlines()[3].split()[0] == longest.key
    with pytest.raises(AttributeError, match=r"sort_by: expected one of cpu_time, .*got 'nonsense'"):
        prof.key_averages().table(sort_by="nonsense")


def test_chrome_trace_holds_every_event(tmp_path: Path) -> None:
    with profile(record_shapes=True) as prof, record_function("step"):
        convolve()
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [event["name"] for event in events] == names(prof)
    assert events[0] == {**events[0], "name": "step", "cat": "user_annotation", "ph": "X", "ts": 0}
    shapes = next(event["args"]["Input Dims"] for event in events if event["name"] == "conv2d")
    assert shapes == [[2, 3, 9, 9], [4, 3, 3, 3]]
    end = events[0]["dur"]
    assert all(0 <= event["ts"] <= event["ts"] + event["dur"] <= end + 1 for event in events)


def test_schedule_and_steps() -> None:
    action = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=1)
    none, record = ProfilerAction.NONE, ProfilerAction.RECORD
    expected = [none, none, ProfilerAction.WARMUP, record, ProfilerAction.RECORD_AND_SAVE, none, none]
    assert [action(step) for step in range(7)] == expected
    seen: list[list[str]] = []
    with profile(schedule=action, on_trace_ready=lambda prof: seen.append(names(prof))) as prof:
        for step in range(7):
            with record_function(str(step)):
                pass
            prof.step()
    assert seen == [["3", "4"]]
    with pytest.raises(ValueError, match="active >= 1, got wait=0, warmup=0, active=0"):
        schedule(wait=0, warmup=0, active=0)


def test_one_profiler_at_a_time() -> None:
    with profile(), pytest.raises(RuntimeError, match="Profiler is already enabled"), profile():
        pass
    prof = profile()
    with pytest.raises(RuntimeError, match="Profiler didn't finish running"):
        prof.events()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        profile(activities=[ProfilerActivity.CUDA])


SCRIPT = """
import rushlight as torch
x = torch.rand(1, 3, 8, 8)
w = torch.rand(4, 3, 3, 3, requires_grad=True)
torch.nn.functional.conv2d(x, w).sum().backward()
"""


def standard_error(value: str) -> list[str]:
    environment = {**os.environ, "RUSHLIGHT_VERBOSE": value}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_verbose_prints_a_line_an_op() -> None:
    lines = standard_error("1")
    assert lines[0].startswith("rushlight: level ")
    assert "limits: FMA" in lines[0]
    convolution = next(line for line in lines if line.startswith("rushlight: conv2d: "))
    assert "kernel " in convolution
    assert convolution.endswith("float32 (1, 3, 8, 8), (4, 3, 3, 3) -> float32 (1, 4, 6, 6)")
    assert any(line.startswith("rushlight: ConvolutionBackward0: ") for line in lines)


@pytest.mark.parametrize("value", ["0", ""])
def test_verbose_is_silent_unless_asked(value: str) -> None:
    assert standard_error(value) == []
