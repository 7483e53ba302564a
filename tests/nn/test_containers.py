"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import rushlight as rl
from rushlight import nn
from tests.helpers import check_raises


def layers(count: int) -> list[nn.Module]:
    return [nn.Linear(1, i + 1) for i in range(count)]


class TestSequential:
    def test_calls_in_order(self) -> None:
        net = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Flatten(0))
        assert net(rl.tensor([[-1.0, 2.0]])).tolist() == [0.0, 2.0]
        assert nn.Sequential()(3) == 3

    def test_names_and_slices(self) -> None:
        net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.Sigmoid()))
        assert net.a is net[0]
        assert net[-1] is net.c
        part = net[1:]
        assert isinstance(part, nn.Sequential)
        assert [name for name, _ in part.named_children()] == ["b", "c"]
        assert len(net[::2]) == 2

    def test_changes(self) -> None:
        a, b, c, d = layers(4)
        net = nn.Sequential(a)
        assert net.append(c) is net
        assert net.insert(1, b) is net
        net.extend([d])
        assert list(net) == [a, b, c, d]
        assert list(net._modules) == ["0", "1", "2", "3"]
        del net[1]
        assert list(net._modules) == ["0", "1", "2"]
        assert list(net) == [a, c, d]
        net[0] = b
        assert net[0] is b
        assert net.pop(-1) is d
        del net[0:1]
        assert list(net) == [c]
        assert list(net._modules) == ["0"]
        net.insert(-1, a)
        assert list(net) == [a, c]

    def test_given_names_are_kept(self) -> None:
        net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh(), c=nn.Sigmoid()))
        del net[1]
        assert list(net._modules) == ["a", "c"]

    def test_arithmetic(self) -> None:
        a, b = nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())
        assert [type(m).__name__ for m in a + b] == ["ReLU", "Tanh"]
        assert len(a * 3) == 3
        assert len(2 * a) == 2
        a += b
        a *= 2
        assert [type(m).__name__ for m in a] == ["ReLU", "Tanh", "ReLU", "Tanh"]

    @pytest.mark.parametrize(
        ("call", "exception", "match"),
        [
            (lambda s: s[3], IndexError, "index 3 is out of range"),
            (lambda s: s["a"], TypeError, "str"),
            (lambda s: s.insert(0, 3), TypeError, "module should be of type.*got int"),
            (lambda s: s.insert(5, nn.ReLU()), IndexError, "Index out of range: 5"),
            (
                lambda s: s.extend(3),
                TypeError,
                "Sequential.extend should be called with an iterable, but got int",
            ),
            (lambda s: s + 3, ValueError, "supports only objects of Sequential class, but int is given"),
            (lambda s: s * 0, ValueError, "Non-positive multiplication factor 0"),
            (lambda s: s * 1.5, TypeError, "unsupported operand"),
            (lambda s: s.append(3), TypeError, "int is not a Module subclass"),
        ],
    )
    def test_refusals(self, call, exception, match) -> None:
        check_raises(lambda: call(nn.Sequential(*layers(2))), exception, match)


class TestModuleList:
    def test_list_behaviour(self) -> None:
        a, b, c, d = layers(4)
        modules = nn.ModuleList([a, c])
        modules.insert(1, b)
        modules += [d]
        assert list(modules) == [a, b, c, d]
        assert len(modules) == 4
        assert b in modules
        assert isinstance(modules[1:3], nn.ModuleList)
        assert list(modules[1:3]) == [b, c]
        assert list(modules + [a]) == [a, b, c, d, a]
        del modules[0]
        assert list(modules._modules) == ["0", "1", "2"]
        assert modules.pop(0) is b
        modules[-1] = a
        assert list(modules) == [c, a]
        assert next(name for name, _ in modules.named_parameters()) == "0.weight"
        with pytest.raises(IndexError, match="index 9 is out of range"):
            modules[9]
        with pytest.raises(NotImplementedError, match="ModuleList"):
            modules(1)

    def test_text_joins_equal_entries(self) -> None:
        assert repr(nn.ModuleList()) == "ModuleList()"
        block = nn.Sequential(nn.ReLU())
        assert repr(nn.ModuleList([block, block, nn.Tanh()])) == (
            "ModuleList(\n  (0-1): 2 x Sequential(\n    (0): ReLU()\n  )\n  (2): Tanh()\n)"
        )


class TestModuleDict:
    def test_dict_behaviour(self) -> None:
        relu, tanh = nn.ReLU(), nn.Tanh()
        modules = nn.ModuleDict({"a": relu})
        modules["b"] = tanh
        assert list(modules) == ["a", "b"]
        assert list(modules.keys()) == ["a", "b"]
        assert list(modules.values()) == [relu, tanh]
        assert dict(modules.items()) == {"a": relu, "b": tanh}
        assert "a" in modules
        assert len(modules) == 2
        assert modules.pop("a") is relu
        modules.update([("c", relu)])
        modules.update(nn.ModuleDict({"d": tanh}))
        del modules["b"]
        assert list(modules) == ["c", "d"]
        assert repr(modules) == "ModuleDict(\n  (c): ReLU()\n  (d): Tanh()\n)"
        modules.clear()
        assert len(modules) == 0

    @pytest.mark.parametrize(
        ("entries", "exception", "match"),
        [
            (3, TypeError, "iterable of key/value pairs, but got int"),
            ([3], TypeError, "element #0 should be Iterable; is int"),
            ([("a",)], ValueError, "element #0 has length 1; 2 is required"),
            ({"a": 3}, TypeError, "int is not a Module subclass"),
            ({"keys": nn.ReLU()}, KeyError, "attribute 'keys' already exists"),
        ],
    )
    def test_refusals(self, entries, exception, match) -> None:
        check_raises(lambda: nn.ModuleDict(entries), exception, match)


class TestParameterContainers:
    def test_list(self) -> None:
        params = nn.ParameterList([nn.Parameter(rl.ones(2)), rl.zeros(1)])
        params.append(nn.Parameter(rl.ones(3)))
        params += [7]
        assert len(params) == 4
        assert isinstance(params[1], nn.Parameter)
        assert params[-1] == 7
        assert [name for name, _ in params.named_parameters()] == ["0", "1", "2"]
        assert list(params.state_dict()) == ["0", "1", "2"]
        params[0] = nn.Parameter(rl.zeros(5))
        assert tuple(params[0].shape) == (5,)
        assert len(params[1:3]) == 2
        assert repr(nn.ParameterList([nn.Parameter(rl.ones(2, 3)), 7])) == (
            "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2x3]\n"
            "    (1): Object of type: int\n)"
        )
        with pytest.raises(IndexError, match="index 9 is out of range"):
            params[9]
        with pytest.raises(TypeError, match="should be called with an iterable, but got"):
            params.extend(rl.ones(2))

    def test_dict(self) -> None:
        params = nn.ParameterDict({"a": nn.Parameter(rl.ones(2)), "b": rl.zeros(1)})
        params["c"] = 7
        assert isinstance(params["b"], nn.Parameter)
        assert [name for name, _ in params.named_parameters()] == ["a", "b"]
        assert list(params) == ["a", "b", "c"]
        assert params.get("x", 3) == 3
        assert params.pop("c") == 7
        assert "c" not in params
        assert len(params) == 2
        with pytest.raises(KeyError, match="x"):
            params["x"]
        with pytest.raises(TypeError, match="should be a string, got 3"):
            params[3] = rl.ones(1)
        params.clear()
        assert list(params.parameters()) == []
