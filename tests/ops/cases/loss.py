"""Losses."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import Case, Input, Refusal, constant, index, real
from tests.ops.cases.activation import log_softmax, softplus

F = "nn.functional."
REDUCTIONS = ("mean", "sum", "none")


def reduced(values: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


def pairwise(
    op: str,
    reference: Callable[..., Any],
    low: float = -2,
    target: Input | None = None,
    distinct: bool = False,
    **params: Any,
) -> list[Case]:
    """Losses of (input, target) of one shape, each reduction."""

    def row(shape: tuple[int, ...], reduction: str, large: Any = ()) -> Case:
        other = real(*shape, low=-5 if distinct else low, high=-2.5 if distinct else 2)
        goal = other if target is None else Input(shape, low=target.low, high=target.high, grad=target.grad)
        return Case(
            F + op,
            (real(*shape, low=low), goal),
            kwargs={"reduction": reduction, **params},
            large=large,
            label="-".join((reduction, *map(str, params.values()))),
            rtol=2,
            reference=lambda a, b: reduced(reference(a, b, **params), reduction),
        )

    rows = [row((3, 4), r, ((257, 1031), (257, 1031)) if r != "none" else ()) for r in REDUCTIONS]
    return [*rows, row((5,), "mean"), row((), "sum")]


def nll(
    log_probs: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    smoothing: float = 0.0,
) -> Any:
    """Class dimension 1 (or 0 without a batch); smoothing as in cross_entropy."""
    batched = log_probs if log_probs.ndim > 1 else log_probs[None]
    goal = target if log_probs.ndim > 1 else target[None]
    classes = batched.shape[1]
    weight = np.ones(classes) if weight is None else weight
    valid = goal != ignore_index
    safe = np.where(valid, goal, 0)
    rows = np.moveaxis(batched, 1, -1)
    picked = np.take_along_axis(rows, safe[..., None], -1)[..., 0]
    losses = -np.where(valid, picked * weight[safe], 0.0)
    total_weight = np.sum(np.where(valid, weight[safe], 0.0))
    if smoothing:
        spread = -np.where(valid, np.sum(rows * weight, -1), 0.0)
        losses = (1 - smoothing) * losses + smoothing / classes * spread
    if reduction == "mean":
        return np.sum(losses) / total_weight
    return np.sum(losses) if reduction == "sum" else losses if log_probs.ndim > 1 else losses[0]


def class_loss(
    op: str, shape: tuple[int, ...], label: str, weighted: bool = False, large: Any = (), **params: Any
) -> Case:
    """nll_loss or cross_entropy with class indices."""
    classes = shape[1] if len(shape) > 1 else shape[0]
    target = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    weight = (constant(classes, low=0.3),) if weighted else ()
    translated = {"smoothing" if key == "label_smoothing" else key: value for key, value in params.items()}

    def reference(x: Any, goal: Any, w: Any = None) -> Any:
        scores = log_softmax(x, 1 if x.ndim > 1 else 0) if op == "cross_entropy" else x
        return nll(scores, goal, w, **translated)

    return Case(
        F + op,
        (real(*shape), index(*target, below=classes), *weight),
        kwargs=params,
        label=label,
        reference=reference,
        rtol=4,
        large=large,
    )


def _class_rows(op: str) -> list[Case]:
    rows = [class_loss(op, (4, 5), r, reduction=r, large=((1031, 65), (1031,))) for r in REDUCTIONS]
    rows += [class_loss(op, (4, 5), f"weighted-{r}", weighted=True, reduction=r) for r in REDUCTIONS]
    rows += [
        class_loss(op, (4, 5), "ignore", ignore_index=2),
        class_loss(op, (6, 3), "ignore-weighted", weighted=True, ignore_index=1),
        class_loss(op, (2, 3, 2, 2), "maps"),
        class_loss(op, (2, 3, 4), "maps-none", reduction="none"),
        class_loss(op, (5,), "unbatched"),
        class_loss(op, (1, 1), "one-class"),
    ]
    return rows


def _soft(x: Any, target: Any, weight: Any = None, reduction: str = "mean", smoothing: float = 0.0) -> Any:
    weight = np.ones(x.shape[1]) if weight is None else weight
    target = (1 - smoothing) * target + smoothing / x.shape[1]
    losses = -np.sum(log_softmax(x, 1) * target * weight, 1)
    return np.sum(losses) / len(x) if reduction == "mean" else reduced(losses, reduction)


def _bce(x: Any, y: Any, weight: Any = 1.0, pos_weight: Any = 1.0) -> Any:
    return weight * ((1 - y) * x + (1 + (pos_weight - 1) * y) * softplus(-x))


CASES = [
    *pairwise("mse_loss", lambda a, b: (a - b) ** 2),
    *pairwise("l1_loss", lambda a, b: np.abs(a - b), distinct=True),
    *pairwise(
        "smooth_l1_loss",
        lambda a, b: np.where(np.abs(a - b) < 1, 0.5 * (a - b) ** 2, np.abs(a - b) - 0.5),
        distinct=False,
    ),
    *pairwise(
        "huber_loss",
        lambda a, b, delta: np.where(
            np.abs(a - b) < delta, 0.5 * (a - b) ** 2, delta * (np.abs(a - b) - 0.5 * delta)
        ),
        delta=0.5,
    ),
    *pairwise("binary_cross_entropy_with_logits", _bce, target=constant(low=0, high=1)),
    *(
        Case(
            F + "binary_cross_entropy",
            (real(3, 4, low=0.1, high=0.9), constant(3, 4, low=0, high=1)),
            kwargs={"reduction": r},
            label=r,
            rtol=2,
            reference=lambda p, y, r=r: reduced(-(y * np.log(p) + (1 - y) * np.log(1 - p)), r),
        )
        for r in REDUCTIONS
    ),
    Case(
        F + "binary_cross_entropy_with_logits",
        (real(3, 4), constant(3, 4, low=0, high=1), constant(4, low=0.5), constant(4, low=0.5)),
        label="weights",
        rtol=2,
        reference=lambda x, y, w, p: np.mean(_bce(x, y, w, p)),
        call=lambda t, x, y, w, p: t.nn.functional.binary_cross_entropy_with_logits(x, y, w, pos_weight=p),
    ),
    Case(
        F + "binary_cross_entropy_with_logits",
        (real(3, grad=False, values=[-200.0, 0.0, 300.0]), constant(3, values=[0.0, 1.0, 1.0])),
        grad=False,
        label="extreme",
        reference=lambda x, y: np.mean(_bce(x, y)),
    ),
    *(
        Case(
            F + "kl_div",
            (real(3, 4, low=-3, high=-0.1), real(3, 4, low=0.1, high=1)),
            kwargs={"reduction": r},
            label=r,
            rtol=2,
            reference=lambda x, y, r=r: (
                reduced(y * (np.log(y) - x), r)
                if r != "batchmean"
                else (np.sum(y * (np.log(y) - x)) / len(x))
            ),
        )
        for r in ("batchmean", "sum", "none")
    ),
    Case(
        F + "kl_div",
        (real(3, 4, low=-3, high=-0.1), real(3, 4, low=-3, high=-0.1)),
        kwargs={"reduction": "sum", "log_target": True},
        label="log-target",
        rtol=2,
        reference=lambda x, y: np.sum(np.exp(y) * (y - x)),
    ),
    *_class_rows("nll_loss"),
    *_class_rows("cross_entropy"),
    class_loss("cross_entropy", (4, 5), "smooth", label_smoothing=0.1),
    class_loss(
        "cross_entropy", (4, 5), "smooth-weighted-ignore", weighted=True, label_smoothing=0.3, ignore_index=1
    ),
    class_loss("cross_entropy", (2, 3, 2), "smooth-maps", label_smoothing=0.2, reduction="none"),
    *(
        Case(
            F + "cross_entropy",
            (real(4, 5), real(4, 5, low=0, high=1)),
            kwargs={"reduction": r, "label_smoothing": s},
            reference=lambda x, y, r=r, s=s: _soft(x, y, None, r, s),
            label=f"probabilities-{r}-{s}",
            rtol=4,
        )
        for r in REDUCTIONS
        for s in (0.0, 0.1)
    ),
    Case(
        F + "cross_entropy",
        (real(4, 5), constant(4, 5, low=0, high=1), constant(5, low=0.3)),
        reference=_soft,
        label="probabilities-weighted",
        rtol=4,
    ),
    Case(
        F + "cross_entropy",
        (real(2, 3, grad=False, values=[[1e4, 0, -1e4], [0, 0, 0]]), index(2, below=3, values=[1, 2])),
        grad=False,
        label="extreme",
        reference=lambda x, y: nll(log_softmax(x, 1), y),
    ),
]


def _call(op: str, make: Callable[[Any], tuple[Any, ...]], **kwargs: Any) -> Callable[[Any], Any]:
    return lambda t: getattr(t.nn.functional, op)(*make(t), **kwargs)


def _quietly(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Without the warning that shapes differ."""

    def run(t: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(t)

    return run


REFUSALS = [
    row
    for op in ("nll_loss", "cross_entropy")
    for row in (
        Refusal(
            F + op, "target-range", _call(op, lambda t: (t.ones(2, 3), t.tensor([0, 3]))), IndexError, "3"
        ),
        Refusal(
            F + op,
            "target-negative",
            _call(op, lambda t: (t.ones(2, 3), t.tensor([0, -1]))),
            IndexError,
            "-1",
        ),
        Refusal(
            F + op, "batch", _call(op, lambda t: (t.ones(2, 3), t.tensor([0, 1, 2]))), ValueError, r"2.*3"
        ),
        Refusal(
            F + op,
            "target-float",
            _call(op, lambda t: (t.ones(2, 3), t.ones(2))),
            RuntimeError,
            "(?i)long|int64|float",
        ),
        Refusal(
            F + op,
            "weight",
            _call(op, lambda t: (t.ones(2, 3), t.tensor([0, 1]), t.ones(4))),
            RuntimeError,
            r"3.*4|4.*3|classes",
        ),
        Refusal(
            F + op,
            "reduction",
            _call(op, lambda t: (t.ones(2, 3), t.tensor([0, 1])), reduction="max"),
            ValueError,
            "max",
        ),
    )
] + [
    Refusal(
        F + "cross_entropy",
        "smoothing",
        _call("cross_entropy", lambda t: (t.ones(2, 3), t.tensor([0, 1])), label_smoothing=1.5),
        RuntimeError,
        "label_smoothing",
    ),
    Refusal(
        F + "mse_loss",
        "shapes",
        _quietly(_call("mse_loss", lambda t: (t.ones(2, 3), t.ones(2, 4)))),
        RuntimeError,
        r"3.*4|4.*3",
    ),
    Refusal(
        F + "mse_loss",
        "reduction",
        _call("mse_loss", lambda t: (t.ones(2), t.ones(2)), reduction="max"),
        ValueError,
        "max",
    ),
    Refusal(
        F + "binary_cross_entropy_with_logits",
        "shapes",
        _call("binary_cross_entropy_with_logits", lambda t: (t.ones(2, 3), t.ones(2))),
        ValueError,
        r"2.*3",
    ),
    Refusal(
        F + "cross_entropy",
        "nan-labels",
        _call("cross_entropy", lambda t: (t.ones(1, 2), t.tensor([[float("nan"), 1.0]]))),
        ValueError,
        "NaN",
        like_torch=False,  # PyTorch returns NaN
    ),
    Refusal(
        F + "binary_cross_entropy_with_logits",
        "nan-labels",
        _call("binary_cross_entropy_with_logits", lambda t: (t.ones(1), t.tensor([float("nan")]))),
        ValueError,
        "NaN",
        like_torch=False,  # PyTorch returns NaN
    ),
    Refusal(
        F + "binary_cross_entropy",
        "range",
        _call("binary_cross_entropy", lambda t: (t.ones(2) * 2, t.ones(2))),
        RuntimeError,
        "between 0 and 1",
    ),
    Refusal(
        F + "huber_loss",
        "delta",
        _call("huber_loss", lambda t: (t.ones(2), t.ones(2)), delta=0.0),
        RuntimeError,
        "delta",
    ),
    Refusal(
        F + "smooth_l1_loss",
        "beta",
        _call("smooth_l1_loss", lambda t: (t.ones(2), t.ones(2)), beta=-1.0),
        RuntimeError,
        "beta",
    ),
]
