"""`freeze()`, `unfreeze()` and the warning for statistics that move under frozen parameters."""

from __future__ import annotations

import copy
import warnings

import pytest

import rushlight as rl
from rushlight import nn


def make() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Dropout(0.5), nn.BatchNorm1d(3), nn.Linear(3, 1)
    )


X = [[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]]


def test_freeze_fixes_parameters_and_statistics() -> None:
    net = make()
    assert net.freeze() is net
    assert not any(param.requires_grad for param in net.parameters())
    net.train()
    assert not any(module.training for module in net.modules())
    before = net[2].running_mean.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = net(rl.tensor(X))
    assert not out.requires_grad
    assert net[2].running_mean.tolist() == before
    assert int(net[2].num_batches_tracked) == 0
    assert net(rl.tensor(X)).tolist() == out.tolist()  # dropout does nothing


def test_new_head_on_a_frozen_backbone_trains() -> None:
    net = make()
    net.freeze()
    net[3] = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    net.train()
    assert net[3].training
    assert net[3][0].training
    assert not net[0].training
    net(rl.tensor(X)).sum().backward()
    assert net[0][0].weight.grad is None
    assert net[3][1].weight.grad is not None
    assert int(net[3][0].num_batches_tracked) == 1


def test_unfreeze_restores_what_freeze_changed() -> None:
    net = make()
    net[3].bias.requires_grad_(False)
    net.freeze()
    net.freeze()
    net.eval()
    net.train()
    assert net.unfreeze() is net
    assert all(module.training for module in net.modules())
    assert not net[3].bias.requires_grad
    assert net[3].weight.requires_grad
    net.freeze().eval().unfreeze()
    assert not any(module.training for module in net.modules())
    net.unfreeze()
    assert net[3].weight.requires_grad


def test_part_of_a_model() -> None:
    net = make()
    net[0].freeze()
    net.train()
    assert not net[0][1].training
    assert net[2].training
    net[0].unfreeze()
    assert net[0][1].training


def test_frozen_models_are_copied_frozen() -> None:
    net = copy.deepcopy(make().freeze())
    net.train()
    assert not net[0].training
    net.unfreeze()
    assert net[0][0].weight.requires_grad


def test_warning_names_the_layers_once() -> None:
    net = make()
    for param in net[0].parameters():
        param.requires_grad = False
    with pytest.warns(UserWarning, match="BatchNorm: ") as caught:
        net(rl.tensor(X))
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "running statistics still move: 0.1. " in text
    assert "freeze()" in text
    assert caught[0].filename == __file__
    assert net[0][1].running_mean.tolist() != [0, 0, 0]  # as in PyTorch
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(rl.tensor(X))
    for param in net.parameters():
        param.requires_grad = False
    with pytest.warns(UserWarning, match=r"1 layer\(s\).*still move: 2\. "):
        net(rl.tensor(X))


def test_warning_lists_all_layers_of_the_model() -> None:
    net = make().requires_grad_(False)
    with pytest.warns(UserWarning, match=r"2 layer\(s\).*still move: 0\.1, 2\. "):
        net(rl.tensor(X))
    with pytest.warns(UserWarning, match=r"still move: BatchNorm1d\. "):
        nn.BatchNorm1d(2).requires_grad_(False)(rl.tensor(X))


@pytest.mark.filterwarnings("error")
def test_no_warning_where_nothing_moves_unexpectedly() -> None:
    x = rl.tensor(X)
    make()(x)
    make().requires_grad_(False).eval()(x)
    nn.BatchNorm1d(2, affine=False)(x)  # it has no parameters that could be frozen
    nn.BatchNorm1d(2, track_running_stats=False).requires_grad_(False)(x)
    half = nn.BatchNorm1d(2)
    half.weight.requires_grad_(False)  # the bias still trains
    half(x)
