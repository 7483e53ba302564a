"""Random tensors: what the seed fixes, the distributions, the generator's state, bad parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch

N = 20000
DRAWS: list[tuple[str, Callable[[Any], Any]]] = [
    ("rand", lambda g: torch.rand(N, generator=g)),
    ("rand64", lambda g: torch.rand(N, generator=g, dtype=torch.float64)),
    ("randn", lambda g: torch.randn(N, generator=g)),
    ("randint", lambda g: torch.randint(-5, 7, (N,), generator=g)),
    ("randperm", lambda g: torch.randperm(N, generator=g)),
    ("bernoulli", lambda g: torch.bernoulli(torch.full((N,), 0.3), generator=g)),
    ("bernoulli_", lambda g: torch.empty(N).bernoulli_(0.3, generator=g)),
    ("normal", lambda g: torch.normal(1.0, 2.0, (N,), generator=g)),
    ("exponential_", lambda g: torch.empty(N).exponential_(2.0, generator=g)),
    ("multinomial", lambda g: torch.multinomial(torch.ones(50), N, replacement=True, generator=g)),
]


@pytest.mark.parametrize(("name", "draw"), DRAWS, ids=[name for name, _ in DRAWS])
def test_the_seed_fixes_the_values(name: str, draw: Callable[[Any], Any]) -> None:
    threads = torch.get_num_threads()
    generator = torch.Generator().manual_seed(7)
    first = draw(generator)
    second = draw(generator)
    try:
        torch.set_num_threads(1)
        again = draw(torch.Generator().manual_seed(7))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, draw(torch.Generator().manual_seed(8)))


def test_state_goes_back_and_forth() -> None:
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    state = generator.get_state()
    values = torch.rand(4, generator=generator)
    generator.set_state(state)
    assert torch.equal(values, torch.rand(4, generator=generator))
    assert generator.initial_seed() == 3
    assert generator.seed() == generator.initial_seed()
    with pytest.raises(RuntimeError, match=r"16"):
        generator.set_state(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(TypeError, match="uint8"):
        generator.set_state(torch.zeros(16))


def test_the_default_generator() -> None:
    assert torch.manual_seed(11) is torch.default_generator
    state = torch.get_rng_state()
    values = torch.randn(6)
    torch.set_rng_state(state)
    assert torch.equal(values, torch.randn(6))
    assert torch.initial_seed() == 11
    torch.manual_seed(-1)
    assert torch.initial_seed() == 2**64 - 1
    with pytest.raises(RuntimeError, match="overflow"):
        torch.manual_seed(2**64)


def moments(values: Any) -> tuple[float, float]:
    numbers = [float(v) for v in values.tolist()]
    mean = sum(numbers) / len(numbers)
    return mean, sum((v - mean) ** 2 for v in numbers) / len(numbers)


@pytest.mark.parametrize(
    ("name", "mean", "variance"),
    [
        ("rand", 0.5, 1 / 12),
        ("rand64", 0.5, 1 / 12),
        ("randn", 0.0, 1.0),
        ("randint", 0.5, 143 / 12),
        ("bernoulli", 0.3, 0.21),
        ("bernoulli_", 0.3, 0.21),
        ("normal", 1.0, 4.0),
        ("exponential_", 0.5, 0.25),
        ("multinomial", 24.5, 2499 / 12),
    ],
)
def test_mean_and_variance(name: str, mean: float, variance: float) -> None:
    values = dict(DRAWS)[name](torch.Generator().manual_seed(1))
    got_mean, got_variance = moments(values)
    assert abs(got_mean - mean) < 5 * (variance / N) ** 0.5
    assert abs(got_variance - variance) < 0.1 * variance


def test_permutations_hold_every_index() -> None:
    assert sorted(torch.randperm(1000).tolist()) == list(range(1000))
    assert torch.randperm(0).tolist() == []
    assert torch.randperm(5, dtype=torch.int32).dtype is torch.int32


def test_multinomial_without_replacement() -> None:
    weights = torch.ones(3, 5)
    weights[:, 2] = 0
    for row in torch.multinomial(weights, 4).tolist():
        assert sorted(row) == [0, 1, 3, 4]


def test_shapes_types_and_views() -> None:
    base = torch.ones(2, 3, dtype=torch.float64)
    assert torch.rand_like(base).shape == (2, 3)
    assert torch.randn_like(base).dtype is torch.float64
    assert torch.randint_like(base, 4).dtype is torch.float64
    assert torch.normal(torch.zeros(2, 3), torch.ones(3)).shape == (2, 3)
    assert torch.rand((), requires_grad=True).requires_grad
    target = torch.zeros(4, 6)
    target[:, ::2].uniform_(1, 2)
    assert torch.equal(target[:, 1::2], torch.zeros(4, 3))
    assert all(1 <= v < 2 for row in target[:, ::2].tolist() for v in row)
    bytes_ = torch.empty(1000, dtype=torch.uint8).random_()
    assert max(bytes_.tolist()) > 240


def test_dropout_scales_what_it_keeps() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = torch.dropout(x, 0.25, True)
    y.backward(torch.ones(1000))
    kept = sum(v != 0 for v in y.tolist())
    assert 690 < kept < 810
    assert set(y.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(x.grad, y.detach())
    assert torch.dropout(x, 0.5, False) is x


@pytest.mark.parametrize(
    ("call", "exception", "match"),
    [
        (lambda: torch.randint(3, 3, (2,)), RuntimeError, "low=3 >= high=3"),
        (lambda: torch.randint(0, 300, (2,), dtype=torch.uint8), RuntimeError, "0 .. 299"),
        (lambda: torch.randperm(-1), RuntimeError, "-1"),
        (lambda: torch.rand(2, dtype=torch.int64), NotImplementedError, "int64"),
        (lambda: torch.empty(2).normal_(0, -1), RuntimeError, "std >= 0.0.*-1"),
        (lambda: torch.empty(2).uniform_(2, 1), RuntimeError, "from=2 > to=1"),
        (lambda: torch.empty(2).bernoulli_(1.5), RuntimeError, r"p=1\.5"),
        (lambda: torch.bernoulli(torch.tensor([0.5, 1.5])), RuntimeError, r"\[0, 1\]"),
        (
            lambda: torch.multinomial(torch.tensor([0.0, 1.0]), 2),
            RuntimeError,
            "1 positive weights, 2 samples",
        ),
        (lambda: torch.multinomial(torch.tensor([-1.0, 1.0]), 1), RuntimeError, "element < 0"),
        (lambda: torch.multinomial(torch.zeros(3), 1), RuntimeError, "sum of probabilities"),
    ],
)
def test_bad_parameters(call: Callable[[], object], exception: type[Exception], match: str) -> None:
    with pytest.raises(exception, match=match):
        call()
