"""Modules that hold modules or parameters."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar, overload

from ._fused import sequence
from ._tree import typename
from .module import Module, format_tree

S = TypeVar("S", bound="_Indexed")


class _Indexed(Module):
    """Children in order, under the names "0", "1", ..."""

    def _name_at(self, index: int) -> str:
        position = operator.index(index)
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"index {index} is out of range")
        return next(islice(self._modules, position % size, None))

    def _replace_all(self, modules: list[Module | None]) -> None:
        self._modules.clear()
        self._modules.update((str(i), module) for i, module in enumerate(modules))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self: S, index: slice) -> S: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._from_items(list(self._modules.items())[index])
        return self._modules[self._name_at(index)]

    def _from_items(self, items: list[tuple[str, Module | None]]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be sliced")

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: int | slice) -> None:
        if isinstance(index, slice):
            for name in list(self._modules)[index]:
                delattr(self, name)
        else:
            delattr(self, self._name_at(index))
        self._replace_all(list(self._modules.values()))

    def append(self: S, module: Module) -> S:
        """Adds a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: S, modules: Iterable[Module]) -> S:
        """Adds modules at the end; returns the container.

        Raises:
            TypeError: `modules` cannot be iterated over.
        """
        if not hasattr(modules, "__iter__"):
            raise TypeError(
                f"{self._get_name()}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def _insert(self, index: int, module: Module) -> None:
        entries = list(self._modules.values())
        entries.insert(index, module)
        self._replace_all(entries)

    def pop(self, key: int) -> Any:
        """Takes out the module at `key` and returns it."""
        module = self[key]
        del self[key]
        return module


class Sequential(_Indexed):
    """Modules called one after the other, each with the result of the one before.

    Args:
        args: the modules, or one OrderedDict of names and modules.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input: Any) -> Any:
        return sequence(self._modules.values(), input)

    def _from_items(self, items: list[tuple[str, Module | None]]) -> Any:
        return type(self)(OrderedDict(items))

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        if names == [str(i) for i in range(len(names))]:
            super().__delitem__(index)
            return
        for name in names[index] if isinstance(index, slice) else [self._name_at(index)]:
            delattr(self, name)  # given names are kept

    def insert(self, index: int, module: Module) -> Sequential:
        """Puts a module in front of position `index`; returns the container.

        Raises:
            TypeError: `module` is not a Module.
            IndexError: `index` is out of range.
        """
        if not isinstance(module, Module):
            raise TypeError(f"module should be of type: {Module}, got {type(module).__name__}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}, the container has {size} modules")
        self._insert(index, module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {typename(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {typename(other)} is given."
            )
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*list(self) * _positive(times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        return self.extend(list(self) * (_positive(times) - 1))


def _positive(times: Any) -> int:
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: {Sequential} and {type(times)}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for {Sequential}")
    return times


class ModuleList(_Indexed):
    """A list of modules that are registered; it cannot be called itself."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _from_items(self, items: list[tuple[str, Module | None]]) -> Any:
        return type(self)([module for _, module in items])  # type: ignore[misc]

    def insert(self, index: int, module: Module) -> None:
        """Puts a module in front of position `index`."""
        self._insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)

    def __repr__(self) -> str:
        """Like any module's, but runs of equal entries are shown once: "(0-2): 3 x ReLU()"."""
        texts = [repr(module) for module in self]
        lines, start = [], 0
        for i in range(1, len(texts) + 1):
            if i == len(texts) or texts[i] != texts[start]:
                text = texts[start].replace("\n", "\n  ")
                several = f"({start}-{i - 1}): {i - start} x {text}"
                lines.append(f"({start}): {text}" if i - start == 1 else several)
                start = i
        return format_tree(self._get_name(), "", lines)


class ModuleDict(Module):
    """A dictionary of modules that are registered; it cannot be called itself."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Removes all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Takes out the module under `key` and returns it."""
        return self._modules.pop(key)

    def keys(self) -> Iterable[str]:
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Adds the entries of a mapping, or of an iterable of (key, module) pairs.

        Raises:
            TypeError: `modules` is neither.
        """
        for key, module in key_value_pairs("ModuleDict.update", modules):
            self[key] = module


def key_value_pairs(name: str, entries: Any) -> list[tuple[str, Any]]:
    """The (key, value) pairs of a mapping or an iterable of pairs."""
    if isinstance(entries, Mapping) or hasattr(entries, "items"):
        return list(entries.items())
    if not hasattr(entries, "__iter__"):
        raise TypeError(
            f"{name} should be called with an iterable of key/value pairs, but got {type(entries).__name__}"
        )
    pairs = []
    for i, pair in enumerate(entries):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{name}: element #{i} should be Iterable; is {type(pair).__name__}")
        pair = list(pair)
        if len(pair) != 2:
            raise ValueError(f"{name}: element #{i} has length {len(pair)}; 2 is required")
        pairs.append((pair[0], pair[1]))
    return pairs
