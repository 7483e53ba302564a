"""Layers, losses and containers against PyTorch: text, signatures, values, gradients, state."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from tests.nn.cases import CASES, LayerCase

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:Using padding='same'"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides"),
]


def copy_state(source: Any, target: Any) -> None:
    """Gives `target` (ours) the parameters and buffers of `source` (PyTorch's)."""
    target.load_state_dict({name: rl.from_numpy(v.numpy().copy()) for name, v in source.state_dict().items()})


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("case", [c for c in CASES if c.check], ids=str)
def test_layer(case: LayerCase, training: bool) -> None:
    torch.manual_seed(0)
    theirs, ours = case.make(torch.nn).train(training), case.make(rl.nn).train(training)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    with torch.no_grad():
        for param in theirs.parameters():  # no layer may hide behind weights of 1 and biases of 0
            param.add_(torch.rand(param.shape))
    copy_state(theirs, ours)
    rng = np.random.default_rng(0)
    values = rng.uniform(case.low, case.high, case.shape).astype(np.float32)
    inputs = [torch.from_numpy(values.copy()).requires_grad_(), rl.from_numpy(values.copy()).requires_grad_()]
    outputs = [module(leaf * 1) for module, leaf in zip((theirs, ours), inputs, strict=True)]
    tolerance = {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(outputs[1].detach().numpy(), outputs[0].detach().numpy(), **tolerance)
    grad = rng.normal(size=case.out).astype(np.float32)
    outputs[0].backward(torch.from_numpy(grad))
    outputs[1].backward(rl.from_numpy(grad))
    np.testing.assert_allclose(inputs[1].grad.numpy(), inputs[0].grad.numpy(), rtol=1e-4, atol=1e-5)
    for (name, mine), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    for (name, mine), (_, other) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), **tolerance, err_msg=name)


# Arguments PyTorch has and we leave out, because what they ask for is out of scope.
LEFT_OUT = {
    "Embedding": {"max_norm", "norm_type", "scale_grad_by_freq", "sparse", "_weight", "_freeze"},
    "Hardtanh": {"min_value", "max_value"},
    "Sigmoid": {"args", "kwargs"},
    "Tanh": {"args", "kwargs"},
    "LogSigmoid": {"args", "kwargs"},
    "Softsign": {"args", "kwargs"},
    "Tanhshrink": {"args", "kwargs"},
}


def parameters_of(function: Any) -> list[tuple[str, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.name != "self"]


@pytest.mark.parametrize("name", [n for n in rl.nn.__all__ if inspect.isclass(getattr(rl.nn, n))])
def test_constructor_signature(name: str) -> None:
    ours, theirs = (parameters_of(getattr(nn, name).__init__) for nn in (rl.nn, torch.nn))
    if name == "Parameter":
        theirs = parameters_of(torch.nn.Parameter.__new__)[1:]
    left_out = LEFT_OUT.get(name, set())
    assert [p for p in ours if p[0] not in left_out] == [p for p in theirs if p[0] not in left_out]


METHODS = [
    n for n in dir(rl.nn.Module) if not n.startswith("_") and n not in ("freeze", "unfreeze", "training")
]


@pytest.mark.parametrize("name", METHODS)
def test_module_method_signature(name: str) -> None:
    ours, theirs = (parameters_of(getattr(nn.Module, name)) for nn in (rl.nn, torch.nn))
    theirs = [p for p in theirs if p != ("input", inspect.Parameter.empty)]
    if name == "set_submodule":
        theirs = theirs[:2]  # `strict` is left out
    assert [p[0] for p in ours] == [p[0] for p in theirs] or name == "forward"
    assert ours == theirs or name == "forward"


@pytest.mark.parametrize("name", [n for n in dir(rl.nn.init) if n.endswith("_") and not n.startswith("_")])
def test_init_signature(name: str) -> None:
    assert parameters_of(getattr(rl.nn.init, name)) == parameters_of(getattr(torch.nn.init, name))


LOSSES: list[tuple[str, dict[str, Any], str]] = [
    ("CrossEntropyLoss", {}, "classes"),
    ("CrossEntropyLoss", {"weight": True, "ignore_index": 1, "label_smoothing": 0.2}, "classes"),
    ("CrossEntropyLoss", {"weight": True, "label_smoothing": 0.2}, "probabilities"),
    ("NLLLoss", {"weight": True, "ignore_index": 2}, "classes"),
    ("MSELoss", {}, "probabilities"),
    ("L1Loss", {}, "probabilities"),
    ("SmoothL1Loss", {"beta": 0.7}, "probabilities"),
    ("HuberLoss", {"delta": 0.7}, "probabilities"),
    ("BCEWithLogitsLoss", {"weight": True, "pos_weight": True}, "probabilities"),
    ("BCELoss", {}, "probabilities"),
    ("KLDivLoss", {}, "probabilities"),
    ("KLDivLoss", {"log_target": True}, "probabilities"),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "kind"), LOSSES)
def test_loss(name: str, options: dict[str, Any], kind: str, reduction: str) -> None:
    rng = np.random.default_rng(1)
    # Small integers as classes; (N, C, d) input; for element-wise losses the target has the input's shape.
    input = rng.normal(size=(5, 4, 3)).astype(np.float32)
    if name == "BCELoss":
        input = rng.uniform(0, 1, input.shape).astype(np.float32)
    target = (
        rng.integers(0, 4, (5, 3)) if kind == "classes" else rng.uniform(0, 1, (5, 4, 3)).astype(np.float32)
    )
    factors = rng.uniform(0.5, 2, 4 if name in ("CrossEntropyLoss", "NLLLoss") else 3).astype(np.float32)
    results = []
    for library in (torch, rl):
        made = {
            key: library.from_numpy(factors) if v is True and "weight" in key else v
            for key, v in options.items()
        }
        leaf = library.from_numpy(input.copy()).requires_grad_()
        loss = getattr(library.nn, name)(**made, reduction=reduction)(leaf, library.from_numpy(target))
        loss.sum().backward()
        results.append((loss.detach().numpy(), leaf.grad.numpy()))
    for mine, other in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-5, atol=1e-6)


def test_containers_print_alike() -> None:
    def build(nn: Any) -> Any:
        block = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        return nn.ModuleDict(
            {
                "a": nn.ModuleList([block, block, nn.ReLU()]),
                "b": nn.ParameterList([nn.Parameter(nn.Linear(2, 3).weight.detach()), 3]),
                "c": nn.CrossEntropyLoss(label_smoothing=0.1),
                "d": nn.Embedding(3, 4, padding_idx=0),
            }
        )

    assert repr(build(rl.nn)) == repr(build(torch.nn))


def test_errors_of_load_state_dict_are_alike() -> None:
    def message(library: Any) -> str:
        nn = library.nn
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        state = net.state_dict()
        del state["0.bias"]
        state["1.weight"] = library.zeros(4)
        state["x.y"] = library.zeros(1)
        with pytest.raises(RuntimeError) as caught:
            net.load_state_dict(state)
        return str(caught.value)

    assert message(rl) == message(torch)


def test_clip_grad_norm() -> None:
    rng = np.random.default_rng(2)
    grads = [rng.normal(size=n).astype(np.float32) for n in (5, 1000)]
    results = []
    for library in (torch, rl):
        params = [library.nn.Parameter(library.zeros(g.size)) for g in grads]
        for param, grad in zip(params, grads, strict=True):
            param.grad = library.from_numpy(grad.copy())
        norm = library.nn.utils.clip_grad_norm_(params, 3.0)
        results.append([float(norm), *(p.grad.numpy() for p in params)])
    for mine, other in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
