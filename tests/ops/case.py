"""What one row of the op table says, and how the values of its inputs are drawn."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
HALVES = ("bfloat16", "float16")
INTS = ("int64", "int32", "int16", "int8", "uint8")
NUMBERS = FLOATS + HALVES + INTS
ALL = (*NUMBERS, "bool")

KINK_MARGIN = 0.1  # gradient checks step by 1e-6: this keeps a point and its neighbours on one side of a kink


def is_float(dtype: str) -> bool:
    return "float" in dtype


@dataclass(frozen=True)
class Input:
    """One tensor argument: its shape, its dtype (None: the one under test) and the values it may hold."""

    shape: tuple[int, ...]
    dtype: str | None = None
    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()  # kinks, poles: no value comes nearer than KINK_MARGIN
    distinct: bool = False  # no two values equal or close, for max, sort, ...
    grad: bool = True
    values: Any = None  # fixed values instead of drawn ones

    def draw(self, rng: np.random.Generator, dtype: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """Values in float64 for floating types, in the type itself (NumPy's) for the others."""
        dtype = self.dtype or dtype
        shape = self.shape if shape is None else shape
        if self.values is not None:
            return np.array(self.values, dtype=np.float64 if is_float(dtype) else dtype).reshape(shape)
        if dtype == "bool":
            return np.asarray(rng.random(shape) > 0.5)
        if not is_float(dtype):
            return self._draw_integers(rng, dtype, shape)
        if self.distinct:
            count = int(np.prod(shape))
            values = rng.permutation(np.linspace(self.low, self.high, count)).reshape(shape)
        else:
            values = rng.uniform(self.low, self.high, shape)
        for kink in self.avoid:
            away = values - kink
            near = np.abs(away) < KINK_MARGIN
            values = np.where(near, kink + np.copysign(KINK_MARGIN + np.abs(away), away), values)
        return np.asarray(values)

    def _draw_integers(self, rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        low = max(int(np.ceil(self.low)), 0 if dtype.startswith("u") else -(2**62))
        high = int(np.floor(self.high))
        if self.distinct:
            values = rng.permutation(int(np.prod(shape))).reshape(shape) + low
        else:
            values = rng.integers(low, high + 1, shape)
        for kink in self.avoid:
            values = np.where(values == kink, values + 1, values)
        return np.asarray(values, dtype=dtype)


@dataclass(frozen=True)
class Case:
    """One row: an op, how to call it, on what, and what must come out.

    Args:
        op: public dotted name, ``"add"``, ``"nn.functional.conv2d"`` or ``"Tensor.view"``.
        inputs: the tensor arguments.
        args, kwargs: what follows the tensors when ``call`` is not given.
        call: ``call(torch_like, *tensors)`` where ``op(*tensors, *args, **kwargs)`` does not do.
        reference: the same in NumPy on float64 (or integer) arrays.
        no_reference: the reason why there is none; one of the two is required.
        dtypes: types whose values are checked.
        result: dtype of the result, one for all outputs or one each: ``"same"``, ``"float"`` (integers give
            float32), ``"wide"`` (integers and bool give int64), or a name.
        grad: whether gradients flow to the floating inputs.
        gradgrad: True, or the reason why second derivatives are not checked.
        in_place: the op has an in-place twin ``tensor.<op>_``.
        is_view: the result shares the first input's storage.
        large: shapes of the inputs that make several threads work; empty: the row's own shapes.
        rtol: replaces the tolerance of the dtype, in units of that tolerance (4 means four times as wide).
    """

    op: str
    inputs: tuple[Input, ...]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[..., Any] | None = None
    reference: Callable[..., Any] | None = None
    no_reference: str = ""
    dtypes: tuple[str, ...] = FLOATS
    result: str | tuple[str, ...] = "same"
    grad: bool = True
    gradgrad: bool | str = True
    in_place: bool = False
    is_view: bool = False
    large: tuple[tuple[int, ...], ...] = ()
    rtol: float = 1.0
    label: str = ""

    def __post_init__(self) -> None:
        if (self.reference is None) == (self.no_reference == ""):
            raise ValueError(f"{self.id}: give either a reference or the reason for none")

    @property
    def name(self) -> str:
        """Last part of the dotted op name."""
        return self.op.rsplit(".", 1)[-1]

    @property
    def id(self) -> str:
        shapes = ",".join("x".join(map(str, i.shape)) or "0d" for i in self.inputs)
        return "-".join(part for part in (self.op, self.label, shapes) if part)

    def arrays(self, dtype: str, large: bool = False) -> list[np.ndarray]:
        """The inputs' values: the same on every call, machine and Python version."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        shapes: Sequence[tuple[int, ...] | None] = (
            self.large if large and self.large else [None] * len(self.inputs)
        )
        return [i.draw(rng, dtype, shape) for i, shape in zip(self.inputs, shapes, strict=True)]

    def run(self, torch: ModuleType, *tensors: Any) -> tuple[Any, ...]:
        """Calls the op of this torch-like namespace; always a tuple of outputs."""
        if self.call is not None:
            result = self.call(torch, *tensors)
        elif self.op.startswith("Tensor."):
            result = getattr(tensors[0], self.name)(*tensors[1:], *self.args, **self.kwargs)
        else:
            result = resolve(torch, self.op)(*tensors, *self.args, **self.kwargs)
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)

    def expected(self, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """The reference's outputs."""
        assert self.reference is not None
        result = self.reference(*arrays)
        outputs = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        return tuple(np.asarray(output) for output in outputs)

    def result_dtypes(self, dtype: str, count: int) -> tuple[str, ...]:
        """Names of the outputs' dtypes for inputs of this dtype."""
        rules = (self.result,) * count if isinstance(self.result, str) else self.result
        return tuple(_result_dtype(rule, dtype) for rule in rules)


@dataclass(frozen=True)
class Refusal:
    """A bad call: what it must raise and what the message must hold (a regular expression)."""

    op: str
    label: str
    call: Callable[[Any], object]
    exception: type[Exception]
    match: str
    like_torch: bool = True  # False: PyTorch accepts it or raises another class; say why in the row

    @property
    def id(self) -> str:
        return f"{self.op}-{self.label}"


def _result_dtype(rule: str, dtype: str) -> str:
    if rule == "same" or (rule in ("float", "wide") and is_float(dtype)):
        return dtype
    return {"float": "float32", "wide": "int64"}.get(rule, rule)


def resolve(torch: ModuleType, op: str) -> Any:
    """The object with this dotted name; AttributeError when it does not exist."""
    found: Any = torch
    for part in op.split("."):
        found = getattr(found, part)
    return found


def exists(torch: ModuleType, op: str) -> bool:
    try:
        resolve(torch, op)
    except AttributeError:
        return False
    return True


def real(*shape: int, **options: Any) -> Input:
    return Input(shape, **options)


def constant(*shape: int, **options: Any) -> Input:
    """A floating input that takes no gradient."""
    return Input(shape, grad=False, **options)


def index(*shape: int, below: int, low: int = 0, **options: Any) -> Input:
    """int64 indices in [low, below)."""
    return Input(shape, dtype="int64", low=low, high=below - 1, grad=False, **options)


def mask(*shape: int, **options: Any) -> Input:
    return Input(shape, dtype="bool", grad=False, **options)
