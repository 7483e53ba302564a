"""``repr`` of tensors, character for character PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import rushlight

__all__ = ["set_printoptions", "tensor_repr"]


class _PrintOptions:
    precision: int = 4  # digits behind the point
    threshold: float = 1000  # elements above which the middle is left out
    edgeitems: int = 3  # elements kept at each end
    linewidth: int = 80  # characters
    sci_mode: bool | None = None  # None: decided by the values


_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}
_options = _PrintOptions()


class _Gap:
    """Stands for the items that a summary leaves out."""


_GAP = _Gap()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors are printed; what is None keeps its value, except `sci_mode`, which goes back to
    automatic.

    Args:
        precision: digits behind the point (4).
        threshold: number of elements above which the middle is left out (1000).
        edgeitems: items kept at both ends of each dimension then (3).
        linewidth: characters in a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``; sets all of the above before they are applied.
        sci_mode: scientific notation always (True) or never (False).

    Raises:
        ValueError: if there is no such profile.
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: profile must be one of {', '.join(_PROFILES)}, got {profile!r}"
            )
        _options.precision, _options.threshold, _options.edgeitems, _options.linewidth = _PROFILES[profile]
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


class _Formatter:
    """Formats single values, all as wide as the widest of `values` (a float's own inf and nan aside)."""

    def __init__(self, values: list[Any], is_float: bool) -> None:
        self._is_float = is_float
        self._whole = True  # all values are whole numbers
        self._sci: bool | None = False  # scientific notation
        self.width = 1
        if not is_float:
            self.width = max((len(str(value)) for value in values), default=1)
            return
        measured = [value for value in values if math.isfinite(value) and value != 0.0]
        if not measured:
            return
        self._whole = all(value == math.ceil(value) for value in measured)
        largest, smallest = max(map(abs, measured)), min(map(abs, measured))
        self._sci = _options.sci_mode
        if self._sci is None:
            self._sci = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
        if self._sci:
            self.width = max(len(f"{value:.{_options.precision}e}") for value in measured)
        elif self._whole:
            self.width = max(len(f"{value:.0f}") + 1 for value in measured)  # and the point
        else:
            self.width = max(len(f"{value:.{_options.precision}f}") for value in measured)

    def __call__(self, value: Any) -> str:
        if not self._is_float:
            text = str(value)
        elif self._sci:
            text = f"{value:.{_options.precision}e}"
        elif self._whole:
            text = f"{value:.0f}" + ("." if math.isfinite(value) else "")
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)


def _summary(tensor: rushlight.Tensor) -> Any:
    """Returns the values as nested lists, with a gap where a long dimension is cut."""
    edge = _options.edgeitems
    length = tensor.size(0)
    cut = length > 2 * edge
    if tensor.dim() == 1:
        if not cut:
            return tensor.tolist()
        return [*tensor[:edge].tolist(), _GAP, *(tensor[length - edge :].tolist())]
    rows = [*range(edge), *range(length - edge, length)] if cut else range(length)
    items = [_summary(tensor[row]) for row in rows]
    return [*items[:edge], _GAP, *items[edge:]] if cut else items


def _leaves(values: Any) -> list[Any]:
    if not isinstance(values, list):
        return [] if values is _GAP else [values]
    if not values or not isinstance(values[0], list):
        return [value for value in values if value is not _GAP]
    return [leaf for value in values for leaf in _leaves(value)]


def _lines(values: list[Any], dims: int, indent: int, formatter: _Formatter) -> str:
    """Returns the bracketed text of nested lists whose first bracket stands in column `indent`."""
    if dims > 1:
        items = [
            "..." if value is _GAP else _lines(value, dims - 1, indent + 1, formatter) for value in values
        ]
        return "[" + ("," + "\n" * (dims - 1) + " " * (indent + 1)).join(items) + "]"
    texts = [" ..." if value is _GAP else formatter(value) for value in values]
    per_line = max(1, (_options.linewidth - indent) // (formatter.width + 2))
    rows = [", ".join(texts[begin : begin + per_line]) for begin in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"


def _values_text(tensor: rushlight.Tensor, indent: int) -> str:
    if tensor.numel() == 0:
        return "[]"
    if tensor.dim() == 0:
        value = tensor.item()
        return _Formatter([value], tensor.dtype.is_floating_point)(value)
    values = _summary(tensor) if tensor.numel() > _options.threshold else tensor.tolist()
    formatter = _Formatter(_leaves(values), tensor.dtype.is_floating_point)
    return _lines(values, tensor.dim(), indent, formatter)


def tensor_repr(tensor: rushlight.Tensor) -> str:
    """Returns what ``repr(tensor)`` prints.

    Source: torch.Tensor.__repr__ (2.13).
    """
    name = type(tensor).__name__
    prefix = "tensor(" if name in ("Tensor", "Parameter") else f"{name}("
    default = rushlight.get_default_dtype()
    suffixes = []
    if tensor.numel() == 0:
        if tensor.dim() != 1:
            suffixes.append(f"size={tuple(tensor.shape)}")
        if tensor.dtype != default:
            suffixes.append(f"dtype={tensor.dtype}")
    elif tensor.dtype not in (default, rushlight.int64, rushlight.bool):
        suffixes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    text = prefix + _values_text(tensor.detach(), len(prefix))
    used = len(text) - text.rfind("\n") + 1  # characters on the last line, as PyTorch counts them
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * len(prefix) + suffix
            used = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"
