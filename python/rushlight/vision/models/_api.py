"""Pre-trained weights as enums, and models found by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from ...hub import load_state_dict_from_url
from ...nn import Module

W = TypeVar("W", bound="WeightsEnum")
Builder = Callable[..., Module]


@dataclass
class Weights:
    """One set of pre-trained weights.

    Attributes:
        url: where the checkpoint is; the file name ends in the first digits of its SHA-256.
        transforms: makes the preprocessing that belongs to the weights.
        meta: facts about them: "categories" (class names), "num_params", "min_size", "recipe", "_metrics" ...
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        # A copied or unpickled `partial` equals no other, which would make a copied enum entry unknown.
        if not isinstance(other, Weights):
            return NotImplemented
        mine, theirs = (
            (t.func, t.args, t.keywords) if isinstance(t, partial) else t
            for t in (self.transforms, other.transforms)
        )
        return self.url == other.url and self.meta == other.meta and mine == theirs


class WeightsEnum(Enum):
    """Base class of the enums that list a model's weights."""

    @classmethod
    def verify(cls: type[W], obj: Any) -> W | None:
        """The entry named by `obj`: an entry, its name with or without the enum's, or None.

        Raises:
            KeyError: there is no entry of that name.
            TypeError: `obj` is of another enum or type.
        """
        if obj is None or isinstance(obj, cls):
            return obj
        if isinstance(obj, str):
            name = obj.replace(cls.__name__ + ".", "")
            if name not in cls.__members__:
                raise KeyError(f"{cls.__name__} has no weights {name!r}, it has {', '.join(cls.__members__)}")
            return cls[name]
        raise TypeError(
            f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}."
        )

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Downloads the checkpoint, unless it is in the cache, and reads it; arguments as for
        `hub.load_state_dict_from_url`."""
        state: dict[str, Any] = load_state_dict_from_url(self.url, *args, **kwargs)
        return state

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def url(self) -> str:
        """Where the checkpoint is."""
        return self.value.url  # type: ignore[no-any-return]

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes the preprocessing that belongs to the weights."""
        return self.value.transforms  # type: ignore[no-any-return]

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the weights."""
        return self.value.meta  # type: ignore[no-any-return]


_builders: dict[str, tuple[Builder, type[WeightsEnum]]] = {}


def register_model(weights: type[WeightsEnum]) -> Callable[[Builder], Builder]:
    """Decorator: makes a model function known under its name, together with the enum of its weights."""

    def register(builder: Builder) -> Builder:
        _builders[builder.__name__] = (builder, weights)
        return builder

    return register


def _find(name: str) -> tuple[Builder, type[WeightsEnum]]:
    if name.lower() not in _builders:
        raise ValueError(f"Unknown model {name}, the models are {', '.join(sorted(_builders))}")
    return _builders[name.lower()]


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """Names of all models, sorted.

    Args:
        module: only models defined below this module.
        include: patterns ("resnet*"), one of which a name must match.
        exclude: patterns of which a name must match none.
    """
    names = [
        name
        for name, (builder, _) in _builders.items()
        if module is None or builder.__module__.startswith(module.__name__)
    ]

    def matches(name: str, patterns: Iterable[str] | str) -> bool:
        listed = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatch.fnmatch(name, pattern) for pattern in listed)

    if include is not None:
        names = [name for name in names if matches(name, include)]
    if exclude is not None:
        names = [name for name in names if not matches(name, exclude)]
    return sorted(names)


def get_model_builder(name: str) -> Builder:
    """The function that makes the model `name`. Raises ValueError if there is none."""
    return _find(name)[0]


def get_model(name: str, **config: Any) -> Module:
    """Makes the model `name` with the given arguments. Raises ValueError if there is none."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Builder | str) -> type[WeightsEnum]:
    """The enum of the weights of a model, given by function or name. Raises ValueError if there is none."""
    return _find(name if isinstance(name, str) else name.__name__)[1]


def get_weight(name: str) -> WeightsEnum:
    """The weights of a full name like "ResNet50_Weights.IMAGENET1K_V1".

    Raises:
        ValueError: there are no such weights.
    """
    enum_name, dot, entry = name.partition(".")
    if not dot or "." in entry:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    for _, weights in _builders.values():
        if weights.__name__ == enum_name:
            if entry not in weights.__members__:
                raise ValueError(
                    f"{enum_name} has no weights {entry!r}, it has {', '.join(weights.__members__)}"
                )
            return weights[entry]
    raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved.")
