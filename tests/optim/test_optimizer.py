"""What all optimisers share: groups, state dicts, hooks, gradients."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.optim import SGD, Optimizer
from tests.helpers import check_raises


def param(value: float = 1.0) -> nn.Parameter:
    result = nn.Parameter(rl.full((2,), value))
    result.grad = rl.ones(2)
    return result


def test_groups_and_defaults() -> None:
    a, b, c = param(), param(), param()
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    optimizer.add_param_group({"params": iter([c]), "momentum": 0.9})
    assert optimizer.param_groups[2]["params"] == [c]
    assert optimizer.defaults["momentum"] == 0
    assert list(optimizer.param_groups[0]) == [
        "params",
        "lr",
        "momentum",
        "dampening",
        "weight_decay",
        "nesterov",
        "maximize",
        "foreach",
        "differentiable",
        "fused",
    ]


def test_named_parameters() -> None:
    layer = nn.Linear(2, 2)
    optimizer = SGD(layer.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is layer.weight
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match=r"with/without names. cannot add param group without names"):
        optimizer.add_param_group({"params": param()})
    with pytest.raises(ValueError, match="Some param names are missing"):
        SGD([("a", param()), param()], lr=0.1)


def test_zero_grad() -> None:
    a = param()
    optimizer = SGD([a], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert a.grad is None


def test_state_dict_round_trip() -> None:
    a, b = param(), param(2.0)
    first = SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1, momentum=0.9)
    first.step()
    state = first.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert state["state"][1]["momentum_buffer"] is first.state[b]["momentum_buffer"]
    second = SGD([{"params": [a]}, {"params": [b]}], lr=7, momentum=0.1)
    second.load_state_dict(state)
    assert [group["lr"] for group in second.param_groups] == [0.1, 0.5]
    assert second.param_groups[0]["params"][0] is a
    assert second.state[a]["momentum_buffer"].tolist() == [1, 1]
    second.step()
    assert first.state[a]["momentum_buffer"].tolist() == [1, 1]  # not shared
    assert state["param_groups"][0]["params"] == [0]
    assert first.state_dict() is not state


def test_loaded_state_takes_the_parameters_dtype() -> None:
    a = param()
    first = SGD([a], lr=0.1, momentum=0.9)
    first.step()
    wide = nn.Parameter(rl.ones(2, dtype=rl.float64))
    second = SGD([wide], lr=0.1, momentum=0.9)
    second.load_state_dict(first.state_dict())
    assert second.state[wide]["momentum_buffer"].dtype == rl.float64


def test_resumed_training_equals_uninterrupted_training() -> None:
    def train(steps: int, resume: Any = None) -> tuple[list[float], Any]:
        weight = nn.Parameter(rl.tensor([1.0, -2.0]) if resume is None else rl.tensor(resume[0]))
        optimizer = SGD([weight], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
        if resume is not None:
            optimizer.load_state_dict(resume[1])
        for _ in range(steps):
            optimizer.zero_grad()
            (weight**4).sum().backward()
            optimizer.step()
        return weight.tolist(), optimizer.state_dict()

    assert train(3, train(2))[0] == train(5)[0]


def test_copies_and_text() -> None:
    a = param()
    optimizer = SGD([a], lr=0.1, momentum=0.9)
    optimizer.step()
    clone = pickle.loads(pickle.dumps(optimizer))
    (other,) = clone.param_groups[0]["params"]
    assert clone.state[other]["momentum_buffer"].tolist() == [1, 1]
    other.grad = rl.ones(2)
    clone.step()
    assert a.tolist() == pytest.approx([0.9, 0.9])
    copy.deepcopy(optimizer).step()
    assert repr(optimizer) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    "
        "fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0.9\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_step_hooks() -> None:
    optimizer = SGD([param()], lr=0.1)
    calls: list[str] = []
    pre = optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre"))
    post = optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post"))
    optimizer.step()
    pre.remove()
    optimizer.step()
    post.remove()
    optimizer.step()
    assert calls == ["pre", "post", "post"]
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: "loss"), {}))
    assert optimizer.step() == "loss"
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_dict_hooks() -> None:
    optimizer = SGD([param()], lr=0.1)
    calls: list[str] = []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: {**state, "param_groups": state["groups"]})
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("post"))
    state = optimizer.state_dict()
    assert state["extra"] == 1
    state["groups"] = state.pop("param_groups")
    optimizer.load_state_dict(state)
    assert calls == ["pre", "post"]


def test_subclass_with_its_own_step() -> None:
    class Sign(Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with rl.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.sub_(p.grad.sign(), alpha=group["lr"])

    a = param()
    optimizer, calls = Sign([a], lr=0.5), []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    optimizer.step()
    assert a.tolist() == [0.5, 0.5]
    assert calls == [1]
    with pytest.raises(NotImplementedError, match=r"Optimizer.step: an optimizer defines it"):
        Optimizer([a], {}).step()


SHARED = param()
REFUSALS = [
    (lambda: SGD(rl.ones(1), lr=0.1), TypeError, "should be an iterable of Tensors or dicts, but got Tensor"),
    (lambda: SGD([], lr=0.1), ValueError, "optimizer got an empty parameter list"),
    (lambda: SGD([3], lr=0.1), TypeError, "can only optimize Tensors, but one of the params is int"),
    (lambda: SGD([param() * 2], lr=0.1), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda: SGD([{"params": {param()}}], lr=0.1), TypeError, "need to be organized in ordered collections"),
    (
        lambda: SGD([{"params": SHARED}, {"params": SHARED}], lr=0.1),
        ValueError,
        "more than one parameter group",
    ),
    (
        lambda: SGD([param()], lr=0.1).add_param_group(3),
        TypeError,
        "param_group must be a dict, but got <class 'int'>",
    ),
    (
        lambda: SGD([param()], lr=0.1).load_state_dict(
            SGD([{"params": param()}, {"params": param()}]).state_dict()
        ),
        ValueError,
        "different number of parameter groups, got 2, expected 1",
    ),
    (
        lambda: SGD([param()], lr=0.1).load_state_dict(SGD([param(), param()]).state_dict()),
        ValueError,
        "group 0 has 2 parameters, expected 1",
    ),
]


@pytest.mark.parametrize(("call", "exception", "match"), REFUSALS, ids=[row[2][:40] for row in REFUSALS])
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)


def test_duplicates_warn() -> None:
    with pytest.warns(UserWarning, match="duplicate parameters"):
        SGD([SHARED, SHARED], lr=0.1)
