"""Printed tensors: PyTorch's text, known by heart and (where it is installed) compared."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

import rushlight
from tests.io.checkpoints import DTYPES


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    rushlight.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (1, "tensor(1)"),
        (1.5, "tensor(1.5000)"),
        ([1.0, 2.0], "tensor([1., 2.])"),
        ([1.0, math.nan, math.inf], "tensor([1., nan, inf])"),
        ([0.0, math.nan], "tensor([0., nan])"),
        ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
        ([1.5, -2000.0], "tensor([ 1.5000e+00, -2.0000e+03])"),
        ([True, False], "tensor([ True, False])"),
        ([], "tensor([])"),
        ([[], []], "tensor([], size=(2, 0))"),
        ([[1, 2], [3, -4]], "tensor([[ 1,  2],\n        [ 3, -4]])"),
        ([[[1], [2]], [[3], [4]]], "tensor([[[1],\n         [2]],\n\n        [[3],\n         [4]]])"),
        (range(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    ],
)
def test_texts(data: object, text: str) -> None:
    assert repr(rushlight.tensor(data)) == text
    assert str(rushlight.tensor(data)) == text


def test_suffixes() -> None:
    tensor = rushlight.tensor([1.5], requires_grad=True)
    assert repr(tensor) == "tensor([1.5000], requires_grad=True)"
    assert repr(tensor * 2) == "tensor([3.], grad_fn=<MulBackward0>)"
    assert repr(tensor.detach().double()) == "tensor([1.5000], dtype=torch.float64)"
    assert repr(rushlight.tensor([1], dtype=rushlight.int8)) == "tensor([1], dtype=torch.int8)"
    assert repr(rushlight.tensor([], dtype=rushlight.int64)) == "tensor([], dtype=torch.int64)"

    class Special(rushlight.Tensor):
        pass

    assert repr(Special(rushlight.tensor([1.0]))) == "Special([1.])"


def test_long_lines_are_broken() -> None:
    lines = repr(rushlight.tensor([float(i) for i in range(40)])).split("\n")
    assert len(lines) == 3
    assert lines[0] == "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,"
    assert max(map(len, lines)) <= 80


def test_print_options() -> None:
    tensor = rushlight.tensor([[1.23456, 2.0], [3.0, 4.0]])
    rushlight.set_printoptions(precision=2)
    assert repr(tensor[0]) == "tensor([1.23, 2.00])"
    rushlight.set_printoptions(sci_mode=True)
    assert repr(tensor[0]) == "tensor([1.23e+00, 2.00e+00])"
    rushlight.set_printoptions(profile="default", threshold=1, edgeitems=1)
    assert repr(rushlight.tensor([1, 2, 3])) == "tensor([1,  ..., 3])"
    rushlight.set_printoptions(profile="full")
    assert len(repr(rushlight.tensor([0] * 2000))) > 6000
    with pytest.raises(ValueError, match="profile must be one of default, short, full, got 'wide'"):
        rushlight.set_printoptions(profile="wide")


def random_values(torch: Any, rng: random.Random) -> Any:
    dims = rng.randint(0, 5)
    limit = rng.choice([1, 2, 4, 9, 40]) if dims < 4 else rng.choice([1, 2, 3, 6])
    shape = [rng.randint(0 if rng.random() < 0.1 else 1, limit) for _ in range(dims)]
    if rng.random() < 0.05:
        shape = rng.choice([[rng.randint(990, 1100)], [rng.randint(1, 40), rng.randint(20, 70)]])
    kind = rng.randrange(5)
    normal = torch.randn(shape, dtype=torch.float64)
    if kind == 0:
        values = normal * 10 ** rng.uniform(-8, 12)
    elif kind == 1:
        values = torch.randint(-5, 120, shape).double()
    elif kind == 2:
        values = 10 ** (
            torch.rand(shape, dtype=torch.float64) * rng.choice([2, 4, 30, 600]) - rng.choice([0, 5, 300])
        )
    elif kind == 3:
        values = torch.round(normal * 10 ** rng.uniform(0, 9))
    else:
        values = normal
    for special in (math.nan, math.inf, -math.inf, 0.0, -0.0):
        if rng.random() < 0.15:
            values = torch.where(
                torch.rand(shape) < rng.choice([0.1, 0.5, 1]), torch.tensor(special).double(), values
            )
    return values


def random_options(rng: random.Random) -> dict[str, Any]:
    return {
        "precision": rng.choice([None, 0, 2, 8]),
        "threshold": rng.choice([None, 5, 100]),
        "edgeitems": rng.choice([None, 1, 2, 5]),
        "linewidth": rng.choice([None, 1, 20, 120]),
        "profile": rng.choice([None, "short", "full", "default"]),
        "sci_mode": rng.choice([None, True, False]),
    }


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(4))
def test_as_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = random.Random(seed)
    torch.manual_seed(seed)
    try:
        for _ in range(300):
            options = random_options(rng) if rng.random() < 0.4 else {"profile": "default"}
            torch.set_printoptions(**options)
            rushlight.set_printoptions(**options)
            name = rng.choice(DTYPES)
            values = random_values(torch, rng)
            if not getattr(torch, name).is_floating_point:
                values = values.nan_to_num(0, 0, 0).clamp(-1e9, 1e9).long()
            theirs = values.to(getattr(torch, name))
            ours = rushlight.from_numpy(values.numpy()).to(getattr(rushlight, name))
            if name.endswith("float16"):  # float64 to 16 bits rounds twice in PyTorch
                ours = rushlight.from_numpy(theirs.float().numpy()).to(getattr(rushlight, name))
            if rng.random() < 0.3 and theirs.is_floating_point():
                theirs.requires_grad_()
                ours.requires_grad_()
                if rng.random() < 0.5:
                    theirs, ours = theirs * 1, ours * 1
            assert repr(ours) == repr(theirs)
    finally:
        torch.set_printoptions(profile="default")
