"""What the engine promises beyond values: depth, threads, fork, memory."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any

import pytest

import rushlight as torch
from rushlight.autograd import Function

CHAIN = 1_000_000
MEGABYTE = 1 << 20


def test_a_chain_of_a_million_nodes() -> None:
    a = torch.ones(1, requires_grad=True)
    value = a
    for _ in range(CHAIN):
        value = value + a
    value.sum().backward()
    assert a.grad.item() == CHAIN + 1
    del value  # destroying it must not recurse either


def test_destroying_a_long_chain_without_backward() -> None:
    value = torch.ones(1, requires_grad=True)
    for _ in range(CHAIN // 4):
        value = value * 1.0
    del value


def test_a_long_chain_of_in_place_ops() -> None:
    a = torch.ones(2, requires_grad=True)
    value = a * 1
    for _ in range(20_000):
        value.add_(a)
    value.sum().backward()
    assert a.grad.tolist() == [20_001.0, 20_001.0]


def test_a_wide_graph() -> None:
    a = torch.ones(1, requires_grad=True)
    torch.stack([a * float(n) for n in range(5000)]).sum().backward()
    assert a.grad.item() == sum(range(5000))


def test_diamonds_are_walked_once() -> None:
    a = torch.ones(1, dtype=torch.float64, requires_grad=True)
    value = a
    for _ in range(60):
        value = value + value  # 2^60 paths
    value.backward()
    assert a.grad.item() == 2.0**60


def test_threads_sharing_a_leaf() -> None:
    shared = torch.ones(1000, requires_grad=True)
    rounds, workers = 50, 4
    barrier = threading.Barrier(workers)

    def work() -> None:
        barrier.wait()
        for _ in range(rounds):
            (shared * 2).sum().backward()

    run_threads([work] * workers)
    assert shared.grad.tolist() == [2.0 * rounds * workers] * 1000


def test_threads_sharing_a_graph() -> None:
    a = torch.ones(100, dtype=torch.float64, requires_grad=True)
    out = (a * a).exp().sum()
    expected = torch.autograd.grad(out, a, retain_graph=True)[0].tolist()
    found: list[list[float]] = []

    def work() -> None:
        for _ in range(20):
            found.append(torch.autograd.grad(out, a, retain_graph=True)[0].tolist())

    run_threads([work] * 4)
    assert found == [expected] * 80


def test_threads_with_python_functions_and_hooks() -> None:
    """The GIL is taken and left many times from several backward runs."""

    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * 2

    shared = torch.ones(10, requires_grad=True)
    calls: list[int] = []
    shared.register_hook(lambda g: calls.append(1))

    def work() -> None:
        for _ in range(25):
            Double.apply(Double.apply(shared)).sum().backward()

    run_threads([work] * 4)
    assert shared.grad.tolist() == [400.0] * 10
    assert len(calls) == 100


def run_threads(work: list[Any]) -> None:
    errors: list[BaseException] = []

    def guarded(fn: Any) -> None:
        try:
            fn()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(fn,)) for fn in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    assert errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork() -> None:
    """After work on several threads, a child computes the same, and does not hang."""

    def compute() -> list[float]:
        a = torch.arange(300 * 300, dtype=torch.float32).reshape(300, 300) / 9_000_000
        a.requires_grad_()
        (a * a).sum(0).exp().sum().backward()
        return a.grad.sum(0).tolist()

    expected = compute()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, b"y" if compute() == expected else b"n")
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"y"
    assert os.waitpid(child, 0)[1] == 0


def held() -> int:
    gc.collect()
    return int(torch.memory_stats()["allocated_bytes"])


def big(**options: Any) -> torch.Tensor:
    return torch.ones(MEGABYTE // 4, **options)


def test_a_frozen_prefix_records_and_saves_nothing() -> None:
    x = big()
    weights = [big() for _ in range(8)]
    before = held()
    value = x
    for weight in weights:
        value = (value * weight).exp().sigmoid()
        assert value.grad_fn is None
    assert held() - before < 1.5 * MEGABYTE  # the last value only


def test_only_what_backward_needs_is_saved() -> None:
    x, frozen = big(requires_grad=True), big()
    before = held()
    y = (x + frozen) - frozen  # needs no values at all
    z = y * 2.0  # nor does a number's product
    assert held() - before < 2.5 * MEGABYTE  # y and z
    del y
    assert held() - before < 1.5 * MEGABYTE  # z
    w = z * frozen  # saves `frozen`, which lives anyway, but not z
    del z
    assert held() - before < 1.5 * MEGABYTE  # w
    w.sum().backward()
    assert x.grad is not None


def test_shape_ops_and_sums_save_no_values() -> None:
    before = held()
    x = big(requires_grad=True)
    total = (x * 1.0).reshape(2, -1).sum(1)
    assert held() - before < 1.5 * MEGABYTE
    total.sum().backward()


def test_backward_frees_as_it_goes() -> None:
    x = big(requires_grad=True)
    value = x
    for _ in range(10):
        value = value.exp() * 0.1
    out = value.sum()
    del value
    before = held()
    out.backward()
    assert held() < before - 8 * MEGABYTE  # ten saved results gone, one gradient come
    torch.reset_peak_memory_stats()
    value = x
    for _ in range(10):
        value = value.exp() * 0.1
    out = value.sum()
    del value
    start = held()
    torch.reset_peak_memory_stats()
    out.backward()
    assert torch.memory_stats()["peak_allocated_bytes"] - start < 4 * MEGABYTE


def test_no_grad_keeps_nothing() -> None:
    x = big(requires_grad=True)
    before = held()
    with torch.no_grad():
        value = x
        for _ in range(10):
            value = value.exp() * 0.1
    assert held() - before < 1.5 * MEGABYTE


def test_graphs_die_with_their_result() -> None:
    x = big(requires_grad=True)
    before = held()
    gc.disable()
    try:
        out = x.exp().tanh().sigmoid().sum()
        del out
        assert int(torch.memory_stats()["allocated_bytes"]) - before < MEGABYTE // 2
    finally:
        gc.enable()


def test_leaf_and_graph_die_together() -> None:
    x = torch.ones(3, requires_grad=True)
    x.exp().sum().backward()
    reference = weakref.ref(x)
    del x
    assert reference() is None
