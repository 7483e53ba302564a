"""rushlight.autocast: which types come out, and how the switch behaves."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight import _core
from rushlight.amp import autocast_mode

Make = Callable[[Any], Any]
LOWER: dict[str, Make] = {
    "mm": lambda d: torch.mm(ones(d, 3, 3), ones(d, 3, 3)),
    "@": lambda d: ones(d, 3, 3) @ ones(d, 3, 3),
    "vectors": lambda d: ones(d, 3) @ ones(d, 3),
    "bmm": lambda d: torch.bmm(ones(d, 2, 3, 3), ones(d, 2, 3, 3)),
    "addmm": lambda d: torch.addmm(ones(d, 3), ones(d, 3, 3), ones(d, 3, 3)),
    "baddbmm": lambda d: torch.baddbmm(ones(d, 2, 3, 3), ones(d, 2, 3, 3), ones(d, 2, 3, 3)),
    "linear": lambda d: F.linear(ones(d, 2, 3), ones(d, 4, 3), ones(d, 4)),
    "conv1d": lambda d: F.conv1d(ones(d, 1, 3, 5), ones(d, 3, 3, 2)),
    "conv2d": lambda d: F.conv2d(ones(d, 1, 3, 5, 5), ones(d, 3, 3, 2, 2), ones(d, 3)),
    "conv_transpose2d": lambda d: F.conv_transpose2d(ones(d, 1, 3, 5, 5), ones(d, 3, 3, 2, 2), ones(d, 3)),
    "prelu": lambda d: F.prelu(ones(d, 3, 3), ones(d, 1)),
}
WIDE: dict[str, Make] = {
    "prod": lambda d: ones(d, 3).prod(),
    "mse_loss": lambda d: F.mse_loss(ones(d, 3), ones(d, 3)),
    "l1_loss": lambda d: F.l1_loss(ones(d, 3), ones(d, 3)),
    "smooth_l1_loss": lambda d: F.smooth_l1_loss(ones(d, 3), ones(d, 3)),
    "huber_loss": lambda d: F.huber_loss(ones(d, 3), ones(d, 3)),
    "kl_div": lambda d: F.kl_div(ones(d, 3), ones(d, 3), reduction="sum"),
    "nll_loss": lambda d: F.nll_loss(ones(d, 3, 4), torch.tensor([0, 1, 2])),
    "cross_entropy": lambda d: F.cross_entropy(ones(d, 3, 4), torch.tensor([0, 1, 2])),
    "cross_entropy of probabilities": lambda d: F.cross_entropy(ones(d, 3, 4), ones(d, 3, 4)),
    "binary_cross_entropy": lambda d: F.binary_cross_entropy(ones(d, 3), ones(d, 3)),
    "with logits": lambda d: F.binary_cross_entropy_with_logits(ones(d, 3), ones(d, 3)),
}
UNTOUCHED: dict[str, Make] = {
    "+": lambda d: ones(d, 3) + ones(d, 3),
    "sum": lambda d: ones(d, 3).sum(),
    "mv": lambda d: torch.mv(ones(d, 3, 3), ones(d, 3)),
    "softmax": lambda d: F.softmax(ones(d, 3, 4), 1),
    "batch_norm": lambda d: F.batch_norm(ones(d, 3, 3), None, None, training=True),
    "layer_norm": lambda d: F.layer_norm(ones(d, 3, 3), (3,)),
    "relu": lambda d: F.relu(ones(d, 3)),
    "max_pool2d": lambda d: F.max_pool2d(ones(d, 1, 1, 4, 4), 2),
}
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def ones(dtype: Any, *sizes: int) -> Any:
    return torch.ones(*sizes, dtype=dtype)


@pytest.mark.parametrize("given", FLOATS, ids=str)
@pytest.mark.parametrize("lowered", [torch.bfloat16, torch.float16], ids=str)
def test_types_follow_the_lists(given: Any, lowered: Any) -> None:
    double = given == torch.float64
    with torch.autocast("cpu", dtype=lowered):
        narrow = {name: make(given).dtype for name, make in LOWER.items()}
        wide = {name: make(given).dtype for name, make in WIDE.items()}
        same = {name: make(given).dtype for name, make in UNTOUCHED.items()}
    assert narrow == dict.fromkeys(LOWER, given if double else lowered)
    assert wide == dict.fromkeys(WIDE, given if double else torch.float32)
    assert same == dict.fromkeys(UNTOUCHED, given)


def test_integers_stay_integers() -> None:
    with torch.autocast("cpu"):
        assert (torch.eye(2, dtype=torch.int64) @ torch.eye(2, dtype=torch.int64)).dtype == torch.int64


def test_values_are_those_of_converted_operands() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(2, 3, 8, 8, generator=generator) for _ in range(2))
    weight = w[:, :, :3, :3]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = F.conv2d(x, weight)
    assert torch.equal(cast, F.conv2d(x.bfloat16(), weight.bfloat16()))
    exact = F.conv2d(x.bfloat16().double(), weight.bfloat16().double())
    # Float32 sums of 27 products, one rounding.
    assert bool(((cast.double() - exact).abs() <= exact.abs() * 2.0**-8 + 1e-5).all())


def test_parameters_and_their_gradients_stay_float32() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(torch.rand(2, 3, 6, 6))
        loss = F.mse_loss(out, torch.zeros_like(out))
    assert out.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    loss.backward()
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}
    assert model[1].running_mean.dtype == torch.float32


def test_backward_is_the_same_inside_and_outside() -> None:
    gradients = []
    for inside in (True, False):
        x = torch.linspace(-1, 1, 12).view(3, 4).requires_grad_()
        with torch.autocast("cpu"):
            y = (x @ x.t()).exp().sum()
            if inside:
                y.backward()
        if not inside:
            y.backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)


def test_blocks_nest_and_restore() -> None:
    a = torch.ones(2, 2)
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False):
            assert (a @ a).dtype == torch.float32
        with torch.amp.autocast("cpu", dtype=torch.float16):
            assert torch.get_autocast_dtype("cpu") == torch.float16
            assert (a @ a).dtype == torch.float16
        assert (a @ a).dtype == torch.bfloat16
        with pytest.raises(ZeroDivisionError), torch.autocast("cpu", enabled=False):
            1 / 0  # noqa: B018
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")
    assert torch.get_autocast_dtype("cpu") == torch.bfloat16


def test_decorator_and_recursion() -> None:
    a = torch.ones(2, 2)

    @torch.autocast("cpu")
    def product(depth: int) -> Any:
        return product(depth - 1) if depth else a @ a

    assert product(2).dtype == torch.bfloat16
    assert product.__name__ == "product"
    assert not torch.is_autocast_enabled("cpu")


def test_the_switch_belongs_to_a_thread() -> None:
    seen = []
    with torch.autocast("cpu"):
        other = threading.Thread(target=lambda: seen.append(torch.is_autocast_enabled("cpu")))
        other.start()
        other.join()
    assert seen == [False]


def test_functions_set_the_state() -> None:
    try:
        torch.set_autocast_enabled("cpu", True)
        torch.set_autocast_dtype("cpu", torch.float16)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float16
    finally:
        torch.set_autocast_enabled("cpu", False)
        torch.set_autocast_dtype("cpu", torch.bfloat16)
    assert torch.amp.is_autocast_available("cpu")
    assert not torch.amp.is_autocast_available("cuda")
    assert not torch.is_autocast_enabled("cuda")


def test_what_cannot_be_done_is_said() -> None:
    a = torch.ones(2, 2)
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`, got: `<class 'int'>`"):
        torch.autocast(0)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="device_type of 'cuda', but rushlight runs on the CPU only"):
        block = torch.autocast("cuda")
    with block:
        assert (a @ a).dtype == torch.float32
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        block = torch.autocast("cpu", dtype=torch.float64)
    with block:
        assert (a @ a).dtype == torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.autocast("cuda", enabled=False)


def test_missing_units_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "_has_bfloat16_units", lambda: False)
    monkeypatch.setattr(autocast_mode, "_noticed", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.autocast("cpu", enabled=False)
        torch.autocast("cpu", dtype=torch.float16)
    with pytest.warns(UserWarning, match="no bfloat16 units .* computed in float32") as said:
        block = torch.autocast("cpu")
    assert [warning.filename for warning in said] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.autocast("cpu", dtype=torch.bfloat16)
    with block:
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "convert", [lambda m: m.to(torch.bfloat16), lambda m: m.to("cpu", torch.bfloat16), lambda m: m.bfloat16()]
)
def test_missing_units_are_said_of_modules_too(convert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "_has_bfloat16_units", lambda: False)
    monkeypatch.setattr(autocast_mode, "_noticed", False)
    model = torch.nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.half().float().to("cpu")
    with pytest.warns(UserWarning, match="Module.* no bfloat16 units .* computed in float32") as said:
        convert(model)
    assert [warning.filename for warning in said] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert(model)
    assert model(torch.ones(1, 2, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_training_reaches_what_float32_reaches() -> None:
    """A small network on separable points, in three ways to train it."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(256, 8)).astype(np.float32)
    labels = (points @ rng.normal(size=(8, 3))).argmax(1)
    data, target = torch.from_numpy(points), torch.from_numpy(labels)

    def accuracy(mode: str) -> float:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
        x = data
        if mode == "bfloat16":
            model, x = model.to(torch.bfloat16), data.to(torch.bfloat16)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(60):
            optimizer.zero_grad()
            with torch.autocast("cpu", enabled=mode == "autocast"):
                F.cross_entropy(model(x), target).backward()
            optimizer.step()
        return float((model(x).argmax(1) == target).float().mean())

    reached = {mode: accuracy(mode) for mode in ("float32", "autocast", "bfloat16")}
    assert min(reached.values()) > 0.95, reached
