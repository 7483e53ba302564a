"""Convolutions with the batch norm behind them folded in: when, with which values, and when not."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.nn._fused import conv_norm_act
from rushlight.vision.models import resnet18, resnet50


def block(bias: bool = True, dtype: Any = rl.float32, **options: Any) -> nn.Sequential:
    rl.manual_seed(4)
    conv = nn.Conv2d(6, 10, 3, padding=1, bias=bias, **options)
    norm = nn.BatchNorm2d(10)
    nn.init.uniform_(norm.weight, -1.0, 1.0)
    nn.init.uniform_(norm.bias, -1.0, 1.0)
    norm.running_mean.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 2.0)
    return nn.Sequential(conv, norm, nn.ReLU()).to(dtype).eval()


def single_steps(model: Any, x: Any, residual: Any = None) -> Any:
    conv, norm, act = model
    out = norm(conv(x))
    return act(out if residual is None else out + residual)


def agree(model: Any, x: Any) -> None:
    with rl.no_grad():
        np.testing.assert_allclose(model(x).numpy(), single_steps(model, x).numpy(), rtol=1e-4, atol=1e-5)


def folds(model: Any, x: Any) -> bool:
    """Whether a call does not reach the batch norm's own arithmetic."""
    counted = [0]
    original = rl.nn.norm.F.batch_norm
    fused = rl.nn.norm.ops.batch_norm_relu

    def count(op: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            counted[0] += 1
            return op(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rl.nn.norm.F, "batch_norm", count(original))
        patch.setattr(rl.nn.norm.ops, "batch_norm_relu", count(fused))
        model(x)
    return counted[0] == 0


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64])
@pytest.mark.parametrize(
    ("bias", "options"),
    [
        (True, {}),
        (False, {"stride": 2}),
        (True, {"groups": 2}),
        (False, {"dilation": 2}),
        (False, {"padding_mode": "reflect"}),
    ],
)
def test_values(bias: bool, options: dict[str, Any], dtype: Any) -> None:
    model = block(bias, dtype, **options)
    x = rl.randn(2, 6, 9, 11, dtype=dtype)
    agree(model, x)
    with rl.no_grad():
        assert folds(model, x) == ("padding_mode" not in options)


@pytest.mark.parametrize("dtype", [rl.bfloat16, rl.float16])
def test_types_follow_autocast(dtype: Any) -> None:
    model = block()
    x, residual = rl.randn(2, 6, 9, 11), rl.randn(2, 10, 9, 11)
    with rl.no_grad():
        exact = model(x)
        with rl.autocast("cpu", dtype=dtype):
            assert folds(model, x)
            lowered = model(x)
            assert lowered.dtype == conv_norm_act(*model, x, residual).dtype == dtype
        assert model(x).tolist() == exact.tolist()
        assert model.to(dtype)(x.to(dtype)).dtype == dtype
    np.testing.assert_allclose(lowered.float().numpy(), exact.numpy(), rtol=0.03, atol=0.05)


def test_residual() -> None:
    model = block()
    x, residual = rl.randn(2, 6, 5, 7), rl.randn(2, 10, 5, 7)
    with rl.no_grad():
        for added in (residual, residual[:, :, :1, :1].clone()):  # the second broadcasts
            got = conv_norm_act(*model, x, added)
            np.testing.assert_allclose(
                got.numpy(), single_steps(model, x, added).numpy(), rtol=1e-4, atol=1e-5
            )


def test_only_where_nothing_is_recorded() -> None:
    model = block()
    x = rl.randn(1, 6, 4, 4)
    assert not folds(model, x)
    with rl.inference_mode():
        assert folds(model, x)
    model.requires_grad_(False)
    assert folds(model, x)
    assert not folds(model, x.clone().requires_grad_())
    model.train().requires_grad_()
    assert not folds(model, x)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "weight in place": lambda m: m[0].weight.data.mul_(2.0),
    "conv bias": lambda m: m[0].bias.data.add_(1.0),
    "norm weight": lambda m: m[1].weight.data.neg_(),
    "norm bias": lambda m: m[1].bias.data.zero_(),
    "running mean": lambda m: m[1].running_mean.fill_(3.0),
    "running var": lambda m: m[1].running_var.mul_(4.0),
    "eps": lambda m: setattr(m[1], "eps", 1.0),
    "new data": lambda m: setattr(m[0].weight, "data", rl.randn(10, 6, 3, 3)),
    "new parameter": lambda m: setattr(m[0], "weight", nn.Parameter(rl.randn(10, 6, 3, 3))),
    "state dict": lambda m: m.load_state_dict({k: v + 1 for k, v in m.state_dict().items()}),
    "through NumPy": lambda m: m[0].weight.detach().numpy().__imul__(2.0),
    "through a kept view": lambda m: np.multiply(m[0].weight.detach().view(-1).numpy(), 2.0, out=None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_seen(name: str) -> None:
    model = block()
    x = rl.randn(1, 6, 4, 4)
    with rl.no_grad():
        assert folds(model, x)
        CHANGES[name](model)
        agree(model, x)


def test_memory_lent_outside_is_never_cached() -> None:
    model = block()
    x = rl.randn(1, 6, 4, 4)
    with rl.no_grad():
        array = model[0].weight.detach().numpy()
        assert not folds(model, x)
        array *= 2.0
        agree(model, x)
        del array
        assert folds(model, x)
        agree(model, x)


def test_several_threads_share_a_model() -> None:
    model = block()
    x = rl.randn(8, 6, 40, 40)
    with rl.no_grad():
        expected = model(x).tolist()
    found: list[Any] = []

    def evaluate() -> None:
        with rl.no_grad():
            for _ in range(5):
                model[0].weight.mul_(1.0)  # a new version: fold again
                found.append(model(x).tolist() == expected)

    threads = [threading.Thread(target=evaluate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_hooks_see_the_single_steps(layer: int) -> None:
    model = block()
    shapes: list[Any] = []
    handle = model[layer].register_forward_hook(lambda _, args, out: shapes.append((args[0].clone(), out)))
    x = rl.randn(1, 6, 4, 4)
    with rl.no_grad():
        assert not folds(model, x)
        handle.remove()
        assert folds(model, x)
    assert len(shapes) == 1


def test_copies_and_pickles_start_anew() -> None:
    model = block()
    x = rl.randn(1, 6, 4, 4)
    with rl.no_grad():
        expected = model(x).tolist()
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert other(x).tolist() == expected
            other[1].bias.add_(1.0)
            assert other(x).tolist() != expected
        assert model(x).tolist() == expected


@pytest.mark.parametrize("make", [resnet18, resnet50])
def test_residual_networks(make: Any) -> None:
    rl.manual_seed(0)
    model = make(num_classes=7)
    model(rl.randn(4, 3, 40, 40))  # statistics of their own
    model.eval()
    x = rl.randn(2, 3, 40, 40)
    recorded = model(x)
    assert recorded.requires_grad
    with rl.no_grad():
        assert folds(model, x)
        got = model(x)
    np.testing.assert_allclose(got.numpy(), recorded.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_frozen_prefix_while_training() -> None:
    model = resnet18(num_classes=3).freeze()
    model.fc = nn.Linear(512, 3)
    model.train()
    out = model(rl.randn(2, 3, 40, 40))
    assert folds(model, rl.randn(2, 3, 40, 40))
    out.sum().backward()
    assert model.fc.weight.grad is not None
    assert model.conv1.weight.grad is None


def test_optimize_for_inference() -> None:
    rl.manual_seed(0)
    model = resnet18(num_classes=7)
    fast = rl.optimize_for_inference(model)
    x = rl.randn(2, 3, 40, 40)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in fast.parameters())
    assert not fast.train().layer1.training
    assert folds(fast, x)
    model.eval()
    np.testing.assert_allclose(fast(x).numpy(), model(x).detach().numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("channels", "outputs"), [(0, 4), (3, 0)])
def test_an_empty_weight_is_refused_by_the_convolution(channels: int, outputs: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(outputs), nn.ReLU()).eval()
    model[0].weight = nn.Parameter(rl.empty(outputs, channels, 3, 3))
    model[0].bias = None
    with rl.no_grad(), pytest.raises(RuntimeError, match="weight must not be empty"):
        model(rl.rand(1, channels, 5, 5))


def test_a_stride_of_zero_is_refused_by_the_convolution() -> None:
    model = resnet18().eval()
    model.layer1[0].conv2.stride = (0, 0)
    with rl.no_grad(), pytest.raises(RuntimeError, match="stride must be positive"):
        model(rl.rand(1, 3, 32, 32))
