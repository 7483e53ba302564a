"""The benches' own logic: what is counted, compared and kept. No figure of speed is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import __main__ as command
from bench import compare, conv, environment, layers, matmul, report, small, steps, streams
from bench.compare import Case, Row, Timing
from bench.environment import Limits

LIMITS = Limits(fma=100e9, tiles=1200e9, stream=10e9, update=15e9, read=20e9)


def row(flop: float = 0, bytes: float = 0, traffic: str = "stream", **seconds: float) -> Row:
    case = Case("name", dict, flop, bytes, traffic)
    return Row(case, {name.replace("_", " "): Timing(value, 0.0) for name, value in seconds.items()})


def test_ratio_is_taken_to_the_best_way_to_ask_a_library() -> None:
    ratios = row(rushlight=2.0, torch=6.0, torch_channels_last=5.0, numpy=1.0).ratios()
    assert ratios == {"torch": 2.5, "numpy": 0.5}


def test_candidates_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(compare.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(compare.time, "sleep", lambda _: None)
    calls: list[str] = []

    def candidate(name: str, durations: Iterator[float]) -> Callable[[], None]:
        def call() -> None:
            calls.append(name)
            clock.now += next(durations)

        return call

    timings = compare.interleaved(
        {"a": candidate("a", iter([9.0] * 2 + [1.0, 5.0, 3.0])), "b": candidate("b", iter([2.0] * 5))},
        samples=3,
    )
    assert calls == ["a", "a", "b", "b"] + ["a", "b"] * 3  # long calls need no waking up
    assert timings["a"] == Timing(3.0, 1.0)
    assert timings["b"] == Timing(2.0, 0.0)


def test_short_calls_are_repeated_until_a_sample_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, calls=0)
    monkeypatch.setattr(compare.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(compare.time, "sleep", lambda _: None)

    def call() -> None:
        clock.now += compare.SAMPLE_SECONDS / 8
        clock.calls += 1

    timing = compare.interleaved({"a": call}, samples=2)["a"]
    assert timing.median == pytest.approx(compare.SAMPLE_SECONDS / 8)
    assert clock.calls == 2 + 2 * (16 + 8)


@pytest.mark.parametrize(
    ("flop", "bytes", "traffic", "seconds", "bound"),
    [
        (200e9, 0, "stream", 1.0, "tiles/6"),
        (200e9, 30e9, "stream", 3.0, "stream"),
        (0, 30e9, "read", 1.5, "read"),
        (0, 30e9, "update", 2.0, "update"),
        (200e3, 1e6, "stream", 1e-6, "tiles/6"),
        (0, 1e6, "stream", 0.0, ""),
        (0, 0, "stream", 0.0, ""),
    ],
)
def test_the_tighter_limit_binds(flop: float, bytes: float, traffic: str, seconds: float, bound: str) -> None:
    assert LIMITS.least_seconds(flop, bytes, traffic) == (pytest.approx(seconds), bound)
    reached, name = report.share(row(flop, bytes, traffic, rushlight=6.0), LIMITS)
    assert (reached, name) == (pytest.approx(seconds / 6), bound)


def test_without_tiles_the_limit_is_multiply_adds() -> None:
    assert Limits(fma=100e9, tiles=0, stream=1, update=1, read=1).arithmetic() == (100e9, "FMA")


def test_line_names_ratio_share_and_times() -> None:
    line = report.line(row(flop=1e9, rushlight=0.01, torch=0.025, numpy=0.005), LIMITS)
    assert line.split(" | ")[:3] == [
        f"  {'name':<38}  0.50x numpy   2.50x torch",
        " 50% of tiles/6",
        "rushlight 10 ms ±0%, 100 GFLOP/s",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.00123, "1.23 ms"), (4.2e-5, "42 us"), (3e-9, "3 ns")]
)
def test_duration(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text


def test_operations_of_resnet18() -> None:
    """1.814 billion multiply-adds a picture of ImageNet's size, as the literature has it."""
    assert layers.forward_flop(1, 224) == pytest.approx(2 * 1.814e9, rel=1e-3)
    assert sum(c.count for c in layers.resnet18(224)) == 20
    assert [c.size for c in layers.resnet18(64)][-3:] == [4, 4, 2]
    train = layers.train_flop(4, 224)
    assert 2.9 * layers.forward_flop(4, 224) < train < 3 * layers.forward_flop(4, 224)


def test_parameters_are_those_of_the_model() -> None:
    from rushlight.vision.models import resnet18

    assert sum(p.numel() for p in resnet18().parameters()) == layers.PARAMETERS


def test_others_are_held_to_the_level() -> None:
    variables = {"RUSHLIGHT_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    held = environment.hold_others(variables, 3)
    assert held["ATEN_CPU_CAPABILITY"] == "avx2"
    assert held["ONEDNN_MAX_CPU_ISA"] == "SSE41"  # what the caller chose stays
    assert variables["OPENBLAS_NUM_THREADS"] == "3"
    assert "OPENBLAS_THREAD_TIMEOUT" in variables
    assert environment.hold_others({}, 1) == {}


@pytest.mark.parametrize("module", [conv, matmul, small, steps, streams], ids=lambda m: m.__name__)
def test_quick_rows_are_some_of_all(module) -> None:  # type: ignore[no-untyped-def]
    names = [case.name for case in module.cases(False, "float32")]
    quick = [case.name for case in module.cases(True, "float32")]
    assert len(set(names)) == len(names)
    assert quick
    assert set(quick) <= set(names)


def test_rows_of_the_table_are_there() -> None:
    names = {case.name for module in (steps, matmul, small) for case in module.cases(False, "float32")}
    assert names >= {
        "train step 16x3x224x224",
        "train step 32x3x64x64",
        "train step 1x3x64x64",
        "inference 1x3x224x224",
        "inference 16x3x224x224",
        "fine-tune head 16x3x224x224",
        "matmul 1024x1024 @ 1024x1024",
        "matmul 256x256 @ 256x256",
        "a + b, 1 element",
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_candidates_run(dtype: str) -> None:
    """One row of each kind; the rivals that are installed included."""
    cases = [
        next(case for case in module.cases(True, dtype) if wanted in case.name)
        for module, wanted in ((matmul, "64x64"), (small, "chain"), (steps, "train step 1x"))
    ]
    for case in cases:
        for name, call in case.make().items():
            call()
            assert name.split()[0] in ("rushlight", "numpy", "torch")


def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["nosuch", "conv"], "unknown group nosuch; expected any of steps, digits, matmul"),
        (["--bfloat16", "small"], "--bfloat16 is for steps, digits, matmul, conv, not for small"),
        (["--threads", "0"], "--threads must be 1 or more, got 0"),
        (["--precision", "low"], "argument --precision: invalid choice: 'low'"),
    ):
        with pytest.raises(SystemExit):
            command.parse(arguments)
        assert message in capsys.readouterr().err


def kept(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> list[dict[str, Any]]:
    monkeypatch.setattr(compare, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(compare, "SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr(compare, "WARM_SECONDS", 0.0)
    said: list[str] = []
    return command.measure(command.parse(arguments), LIMITS, said.append)


def test_selected_rows_are_measured_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = kept(monkeypatch, ["small", "matmul", "--quick", "--only", "64x64 @"])
    assert [(row["group"], row["name"]) for row in rows] == [("matmul", "matmul 64x64 @ 64x64")]
    assert rows[0]["seconds"]["rushlight"]["median"] > 0
    assert "numpy" in rows[0]["ratios"]
    json.dumps(rows)


def result() -> dict[str, Any]:
    seconds = {"rushlight": {"median": 0.01, "spread": 0.0}, "torch": {"median": 0.02, "spread": 0.0}}
    common = {"seconds": seconds, "flop": 1e9, "bytes": 1e7, "share_of_limit": 0.5, "limit": "FMA"}
    ratios = {"16x3->64 7x7 forward": 1.0, "16x64->64 3x3 forward": 4.0, "16x64->64 3x3 grad weight": 3.0}
    rows = [{"group": "conv", "name": n, "ratios": {"torch": r}, **common} for n, r in ratios.items()]
    rows.append({"group": "steps", "name": "train step", "ratios": {"torch": 0.8}, **common})
    rows.append({"group": "small", "name": "a + b", "ratios": {"numpy": 2.0}, **common})
    facts = {"commit": "abc", "torch": "2", "cpu": "a cpu", "isa": "amx", "threads": "2", "type": "float32"}
    return {"environment": facts, "limits": vars(LIMITS), "rows": rows}


def test_bars_gather_convolutions() -> None:
    from bench import picture

    assert picture.ratio_bars(result()["rows"]) == [
        ("train step", 0.8),
        ("convolutions, batch 16, forward (mean)", pytest.approx(2.0)),
        ("convolutions, batch 16, grad weight (mean)", pytest.approx(3.0)),
    ]


@pytest.mark.parametrize("tiles", [0.0, 1200e9])
def test_picture_is_drawn(tiles: float, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from bench import picture

    drawn = result()
    drawn["limits"] = {**vars(LIMITS), "tiles": tiles}
    picture.draw(drawn, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    picture.draw({**drawn, "rows": []}, tmp_path / "empty.png")
