"""Saving and loading of module state."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn


def make() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(1, 2, 3, bias=False), bn=nn.BatchNorm2d(2), fc=nn.Linear(2, 2))
    )


KEYS = [
    "conv.weight",
    "bn.weight",
    "bn.bias",
    "bn.running_mean",
    "bn.running_var",
    "bn.num_batches_tracked",
    "fc.weight",
    "fc.bias",
]


def test_contents() -> None:
    net = make()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == KEYS
    assert not state["fc.weight"].requires_grad
    assert not isinstance(state["fc.weight"], nn.Parameter)
    assert state._metadata == {
        "": {"version": 1},
        "conv": {"version": 1},
        "bn": {"version": 2},
        "fc": {"version": 1},
    }
    with rl.no_grad():
        net.fc.weight.fill_(7)
    assert state["fc.weight"].tolist() == [[7, 7], [7, 7]]  # memory is shared
    assert net.state_dict(keep_vars=True)["fc.weight"] is net.fc.weight
    assert next(iter(net.state_dict(prefix="a."))) == "a.conv.weight"
    target: dict[str, Any] = {}
    assert net.state_dict(destination=target) is target
    assert list(target) == KEYS


def test_load_copies_values() -> None:
    source, net = make(), make()
    result = net.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert result == ([], [])
    for mine, theirs in zip(net.state_dict().values(), source.state_dict().values(), strict=True):
        assert mine.tolist() == theirs.tolist()
    with rl.no_grad():
        source.fc.weight.zero_()
    assert net.fc.weight.tolist() != [[0, 0], [0, 0]]


def test_load_converts_dtype() -> None:
    net = make()
    net.load_state_dict(make().double().state_dict())
    assert net.fc.weight.dtype == rl.float32


def test_assign_takes_tensors_over() -> None:
    net = make()
    net.fc.bias.requires_grad_(False)
    state = make().double().state_dict()
    net.load_state_dict(state, assign=True)
    assert net.fc.weight.dtype == rl.float64
    assert isinstance(net.fc.weight, nn.Parameter)
    assert net.fc.weight.requires_grad
    assert not net.fc.bias.requires_grad
    with rl.no_grad():
        net.fc.weight.fill_(3)
    assert state["fc.weight"].tolist() == [[3, 3], [3, 3]]


def test_one_error_lists_everything_and_changes_nothing() -> None:
    net = make()
    before = {key: value.tolist() for key, value in net.state_dict().items()}
    state = make().state_dict()
    with rl.no_grad():
        for value in state.values():
            value.fill_(5)
    del state["conv.weight"], state["fc.bias"]
    state["bn.weight"] = rl.zeros(3)
    state["fc.weight"] = "text"
    state["extra"] = rl.zeros(1)
    state["fc.more.weight"] = rl.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "conv.weight", "fc.bias". \n'
        '\tUnexpected key(s) in state_dict: "extra", "fc.more.weight". \n'
        "\tsize mismatch for bn.weight: copying a param with shape torch.Size([3]) from checkpoint, the "
        "shape in "
        "current model is torch.Size([2]).\n"
        '\tWhile copying the parameter named "fc.weight", expected torch.Tensor or Tensor-like object from '
        "checkpoint but received <class 'str'>"
    )
    assert {key: value.tolist() for key, value in net.state_dict().items()} == before


def test_not_strict_reports_keys_but_not_shapes() -> None:
    net = make()
    state = make().state_dict()
    del state["fc.bias"]
    state["extra"] = rl.zeros(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["fc.bias"]
    assert result.unexpected_keys == ["extra"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['fc.bias'], unexpected_keys=['extra'])"
    state["fc.weight"] = rl.zeros(1, 2)
    with pytest.raises(RuntimeError, match=r"size mismatch for fc.weight: .*\[1, 2\].*\[2, 2\]"):
        net.load_state_dict(state, strict=False)


def test_not_a_mapping() -> None:
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'list'>"):
        make().load_state_dict([("a", 1)])


def test_old_batch_norm_files_have_no_counter() -> None:
    net = make()
    net.bn.num_batches_tracked.fill_(9)
    state = {key: value for key, value in make().state_dict().items() if "tracked" not in key}
    net.load_state_dict(state)  # a plain dict has no metadata, hence no version
    assert int(net.bn.num_batches_tracked) == 9
    current = OrderedDict(state)
    current._metadata = make().state_dict()._metadata
    with pytest.raises(RuntimeError, match=r'Missing key.*"bn.num_batches_tracked"'):
        net.load_state_dict(current)


def test_scalars_of_old_files() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(rl.tensor(1.0))

    module = Scale()
    module.load_state_dict({"value": rl.tensor([4.0])})
    assert module.value.item() == 4.0


def test_buffers_that_are_not_persistent_are_left_out() -> None:
    module = nn.Module()
    module.register_buffer("a", rl.ones(1))
    module.register_buffer("b", rl.ones(1), persistent=False)
    module.register_buffer("c", None)
    assert list(module.state_dict()) == ["a"]
    assert module.load_state_dict({"a": rl.zeros(1), "b": rl.zeros(1)}, strict=False).unexpected_keys == ["b"]
    module.register_buffer("a", module.a, persistent=False)
    assert list(module.state_dict()) == []


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def get_extra_state(self) -> dict[str, int]:
        return {"count": self.count}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.count = state["count"]


def test_extra_state() -> None:
    net = nn.Sequential(Counting())
    net[0].count = 3
    state = net.state_dict()
    assert state == {"0._extra_state": {"count": 3}}
    other = nn.Sequential(Counting())
    other.load_state_dict(state)
    assert other[0].count == 3
    with pytest.raises(RuntimeError, match=r'Missing key.*"0._extra_state"'):
        other.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"0._extra_state"'):
        nn.Sequential(nn.ReLU()).load_state_dict(state)


def test_hooks() -> None:
    net = make()
    calls: list[Any] = []
    handles = [
        net.fc.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append(("pre", prefix, keep))),
        net.fc.register_state_dict_post_hook(
            lambda m, state, prefix, meta: state.__delitem__(prefix + "bias")
        ),
        net.fc.register_load_state_dict_pre_hook(
            lambda m, state, prefix, *rest: state.__setitem__(prefix + "bias", rl.full((2,), 8.0))
        ),
        net.register_load_state_dict_post_hook(lambda m, keys: calls.append(("post", m.fc.bias.tolist()))),
    ]
    state = net.state_dict()
    assert "fc.bias" not in state
    net.load_state_dict(state)
    assert calls == [("pre", "fc.", False), ("post", [8.0, 8.0])]
    for handle in handles:
        handle.remove()
    assert "fc.bias" in net.state_dict()
    assert len(calls) == 2


def test_post_hook_may_forgive() -> None:
    net = make()
    state = make().state_dict()
    del state["fc.bias"]
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert net.load_state_dict(state).missing_keys == []
    assert net.fc.weight.tolist() == state["fc.weight"].tolist()
