"""`nn.Module`: registration, walks over the tree, modes, conversion, text."""

from __future__ import annotations

import copy
import pickle

import pytest

import rushlight as rl
from rushlight import nn
from tests.helpers import check_raises


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(3, 3))
        self.tied = self.first
        self.scale = nn.Parameter(rl.ones(1))
        self.register_buffer("offset", rl.zeros(3))
        self.register_buffer("cache", rl.zeros(1), persistent=False)
        self.register_parameter("none", None)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        return self.rest(self.first(x)) * self.scale + self.offset


NAMES = ["scale", "first.weight", "first.bias", "rest.1.weight", "rest.1.bias"]


def test_names() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_parameters(prefix="a", recurse=False)] == ["a.scale"]
    both = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert both == [*NAMES, "tied.weight", "tied.bias"]
    assert [name for name, _ in net.named_buffers()] == ["offset", "cache"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "rest", "rest.0", "rest.1"]
    assert [name for name, _ in net.named_modules(prefix="p")] == [
        "p",
        "p.first",
        "p.rest",
        "p.rest.0",
        "p.rest.1",
    ]
    assert "tied" in [name for name, _ in net.named_modules(remove_duplicate=False)]
    assert [name for name, _ in net.named_children()] == ["first", "rest"]
    assert len(list(net.parameters())) == 5
    assert len(list(net.buffers())) == 2
    assert list(net.children()) == [net.first, net.rest]
    assert list(net.modules()) == [net, net.first, net.rest, net.rest[0], net.rest[1]]


def test_assignment_moves_a_name_between_registries() -> None:
    net = Net()
    net.scale = None
    assert "scale" in net._parameters
    assert net.scale is None
    del net.scale
    assert not hasattr(net, "scale")
    net.scale = 3
    assert net.__dict__["scale"] == 3
    net.scale = nn.Parameter(rl.zeros(2))
    assert "scale" not in net.__dict__
    assert dict(net.named_parameters())["scale"] is net.scale
    del net.scale  # a parameter is not silently replaced by a module
    net.scale = nn.ReLU()
    assert "scale" in net._modules
    assert "scale" not in net._parameters
    net.offset = rl.ones(3)
    assert dict(net.named_buffers())["offset"].tolist() == [1, 1, 1]
    net.offset = nn.Parameter(rl.ones(3))
    assert "offset" not in net._buffers
    del net.cache
    assert "cache" not in net._non_persistent_buffers_set
    net.plain = rl.ones(1)  # a tensor is no buffer unless it is registered
    assert "plain" in net.__dict__


def early(attribute: object):
    class Early(nn.Module):
        def __init__(self) -> None:
            self.part = attribute

    return Early


ASSIGNMENTS = [
    (lambda: early(nn.ReLU())(), AttributeError, r"cannot assign module before Module.__init__\(\) call"),
    (
        lambda: early(nn.Parameter(rl.ones(1)))(),
        AttributeError,
        r"cannot assign parameters before Module.__init__\(\) call",
    ),
    (lambda: setattr(Net(), "first", 3), TypeError, "cannot assign 'int' as child module 'first'"),
    (lambda: setattr(Net(), "scale", "x"), TypeError, "cannot assign 'str' as parameter 'scale'"),
    (lambda: setattr(Net(), "offset", [1]), TypeError, "cannot assign 'list' as buffer 'offset'"),
    (lambda: Net().register_parameter("a.b", None), KeyError, r'parameter name can\\\'t contain "."'),
    (lambda: Net().register_parameter("", None), KeyError, "empty string"),
    (lambda: Net().register_parameter("first", None), KeyError, "attribute 'first' already exists"),
    (lambda: Net().register_parameter(1, None), TypeError, "parameter name should be a string. Got int"),
    (lambda: Net().register_parameter("a", 3), TypeError, "cannot assign 'int' object to parameter 'a'"),
    (lambda: Net().register_buffer("a", 3), TypeError, "cannot assign 'int' object to buffer 'a'"),
    (lambda: Net().register_buffer("scale", None), KeyError, "attribute 'scale' already exists"),
    (lambda: Net().add_module("a", 3), TypeError, "int is not a Module subclass"),
    (lambda: Net().add_module("a.b", None), KeyError, "got: a.b"),
    (lambda: Net().missing, AttributeError, "'Net' object has no attribute 'missing'"),
    (lambda: delattr(Net(), "missing"), AttributeError, "missing"),
    (lambda: nn.Module(3), TypeError, "takes 1 positional argument but 2 were given"),
    (lambda: nn.Module(a=3), TypeError, "got an unexpected keyword argument 'a'"),
    (
        lambda: nn.Module()(1),
        NotImplementedError,
        r'Module \[Module\] is missing the required "forward" function',
    ),
    (lambda: Net().train(1), ValueError, "training mode is expected to be boolean"),
    (lambda: Net().to(rl.int64), TypeError, "nn.Module.to only accepts floating point or complex dtypes"),
    (lambda: Net().get_submodule("rest.7"), AttributeError, "Sequential has no attribute `7`"),
    (lambda: Net().get_submodule("scale"), AttributeError, "`scale` is not an nn.Module"),
    (lambda: Net().get_parameter("offset"), AttributeError, "`offset` is not an nn.Parameter"),
    (lambda: Net().get_buffer("scale"), AttributeError, "`scale` is not a buffer"),
    (lambda: Net().set_submodule("", nn.ReLU()), ValueError, "without a target name"),
]


@pytest.mark.parametrize(
    ("call", "exception", "match"), ASSIGNMENTS, ids=[row[2][:45] for row in ASSIGNMENTS]
)
def test_refusals(call, exception, match) -> None:
    check_raises(call, exception, match)


def test_non_leaf_is_no_parameter() -> None:
    leaf = nn.Parameter(rl.ones(2))
    assert leaf.is_leaf
    assert nn.Parameter(leaf * 2).is_leaf  # data is detached


def test_lookup_by_path() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.1") is net.rest[1]
    assert net.get_parameter("rest.1.weight") is net.rest[1].weight
    assert net.get_buffer("offset") is net.offset
    new = nn.Tanh()
    net.set_submodule("rest.0", new)
    assert net.rest[0] is new


def test_train_eval_apply_and_flags() -> None:
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    seen: list[str] = []
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    net.requires_grad_(False)
    assert not any(param.requires_grad for param in net.parameters())


def test_zero_grad() -> None:
    net = Net()
    net(rl.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.tolist() == [0.0]
    net.scale.grad = net.scale * 2  # with a graph of its own
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.grad_fn is None
    assert net.scale.grad.item() == 0
    net.zero_grad()
    assert all(param.grad is None for param in net.parameters())


def test_conversion() -> None:
    net = Net()
    net.register_buffer("count", rl.tensor(3))
    net(rl.ones(1, 2)).sum().backward()
    weight = net.first.weight
    assert net.double() is net
    assert net.first.weight is weight
    assert weight.dtype == rl.float64
    assert weight.grad.dtype == rl.float64
    assert net.offset.dtype == rl.float64
    assert net.count.dtype == rl.int64
    assert net.tied.weight is net.first.weight
    assert net.to(rl.bfloat16).scale.dtype == rl.bfloat16
    assert net.half().scale.dtype == rl.float16
    assert net.float().scale.dtype == rl.float32
    assert net.bfloat16().offset.dtype == rl.bfloat16
    assert net.to("cpu").to(dtype=rl.float64).scale.dtype == rl.float64
    assert net.to(rl.ones(1)).scale.dtype == rl.float32
    assert net.cpu() is net
    assert net.type(rl.float64).count.dtype == rl.float64


def test_text() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (rest): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=3, bias=True)\n"
        "  )\n"
        "  (tied): Linear(in_features=2, out_features=3, bias=True)\n"
        ")"
    )

    class Noted(nn.Module):
        def extra_repr(self) -> str:
            return "a=1\nb=2"

    assert repr(Noted()) == "Noted(\n  a=1\n  b=2\n)"
    assert repr(nn.Module()) == "Module()"


def test_dir_lists_parts() -> None:
    names = dir(Net())
    assert {"first", "scale", "offset", "forward"} <= set(names)
    assert "0" not in dir(Net().rest)


def test_deepcopy_and_pickle_keep_sharing() -> None:
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.tied is other.first
        assert other.first.weight is not net.first.weight
        assert other.first.weight.tolist() == net.first.weight.tolist()
        assert "cache" in other._non_persistent_buffers_set


class TestParameter:
    def test_repr(self) -> None:
        assert repr(nn.Parameter(rl.ones(2))) == (
            "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
        )

    def test_flags_and_memory(self) -> None:
        data = rl.zeros(3)
        param = nn.Parameter(data)
        assert param.requires_grad
        assert param.is_leaf
        assert not nn.Parameter(data, requires_grad=False).requires_grad
        with rl.no_grad():
            param.add_(1)
        assert data.tolist() == [1, 1, 1]
        assert not isinstance(param + 1, nn.Parameter)
        assert isinstance(param, rl.Tensor)

    def test_deepcopy_and_pickle(self) -> None:
        param = nn.Parameter(rl.ones(2), requires_grad=False)
        pair = [param, param]
        for other in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
            assert isinstance(other[0], nn.Parameter)
            assert other[0] is other[1]
            assert not other[0].requires_grad
            assert other[0].tolist() == [1, 1]

    def test_integers_need_requires_grad_false(self) -> None:
        with pytest.raises(RuntimeError, match=r"(?i)only .*floating point.* can require gradients"):
            nn.Parameter(rl.tensor([1, 2]))
        assert nn.Parameter(rl.tensor([1, 2]), requires_grad=False).dtype == rl.int64
