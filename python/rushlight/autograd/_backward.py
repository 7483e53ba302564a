"""backward() and grad(): the two ways into the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rushlight import _core
from rushlight._core import Tensor

Tensors = Tensor | Iterable[Tensor]


def _as_tuple(tensors: Tensors | None, name: str) -> tuple[Tensor, ...] | None:
    if tensors is None:
        return None
    if isinstance(tensors, Tensor):
        return (tensors,)
    if not isinstance(tensors, Iterable):
        raise TypeError(f"{name} must be a Tensor or several, not {type(tensors).__name__}")
    several = tuple(tensors)
    for position, one in enumerate(several):
        if not isinstance(one, Tensor):
            raise TypeError(f"{name} must be Tensors, but number {position} is of type {type(one).__name__}")
    return several


def _matching_gradients(
    outputs: tuple[Tensor, ...], gradients: Tensor | Sequence[Tensor | None] | None, name: str
) -> list[Tensor | None]:
    """One gradient (or None) for each output."""
    if gradients is None:
        return [None] * len(outputs)
    if not isinstance(gradients, (Tensor, Sequence)):
        raise TypeError(f"{name}: the gradient must be a Tensor or None, not {type(gradients).__name__}")
    given: list[Tensor | None] = [gradients] if isinstance(gradients, Tensor) else list(gradients)
    if len(given) != len(outputs):
        raise RuntimeError(f"{name}: got {len(outputs)} tensors and {len(given)} gradients")
    for position, gradient in enumerate(given):
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(
                f"gradients can be either Tensors or None, but gradient {position} is of type "
                f"{type(gradient).__name__}"
            )
    return given


def backward(
    tensors: Tensors,
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: None = None,
    inputs: Tensors | None = None,
) -> None:
    """Adds to ``.grad`` of the leaves the gradients of ``tensors``, weighted by ``grad_tensors``.

    Args:
        tensors: the tensors to differentiate.
        grad_tensors: a tensor of the same shape for each; None stands for 1 where the tensor has one element.
        retain_graph: keep what the graph saved, for another backward; default: ``create_graph``.
        create_graph: record the backward itself, for higher derivatives.
        grad_variables: gone from PyTorch as well; use ``grad_tensors``.
        inputs: add only to these tensors' ``.grad``; default: all leaves.

    Raises:
        RuntimeError: if a tensor is outside the graph, or has several elements and no gradient; if a shape
            differs; if the graph was freed or a saved tensor changed in place; if ``inputs`` is empty.
    """
    if grad_variables is not None:
        raise TypeError("backward: `grad_variables` is deprecated; use `grad_tensors`")
    wanted = _as_tuple(inputs, "inputs")
    if wanted is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    for one in wanted or ():
        if one.requires_grad:
            one.retain_grad()  # a result asked for gets a .grad as well
    outputs = _as_tuple(tensors, "tensors") or ()
    _core._run_backward(
        outputs,
        _matching_gradients(outputs, grad_tensors, "backward"),
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        wanted,
        True,
    )


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Returns the gradients of ``outputs`` for ``inputs``; touches no ``.grad``.

    Args:
        outputs: the tensors to differentiate.
        inputs: the tensors, leaves or not, to differentiate for.
        grad_outputs: weights as in :func:`backward`.
        retain_graph: keep what the graph saved, for another backward; default: ``create_graph``.
        create_graph: record the backward itself, for higher derivatives.
        only_inputs: must be True.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        is_grads_batched: not supported.
        materialize_grads: give zeros instead of None; implies ``allow_unused``.

    Returns:
        One tensor (or None) for each input, in order.

    Raises:
        RuntimeError: as :func:`backward`; an input that does not require grad, or is unused.
        ValueError: ``materialize_grads=True`` with ``allow_unused=False``.
        NotImplementedError: ``is_grads_batched=True``.
    """
    if is_grads_batched:
        raise NotImplementedError(
            "grad: is_grads_batched=True is not supported; loop over the gradients instead"
        )
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported; use backward() to accumulate in leaves")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    sources = _as_tuple(outputs, "outputs") or ()
    wanted = _as_tuple(inputs, "inputs") or ()
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    found = _core._run_backward(
        sources,
        _matching_gradients(sources, grad_outputs, "grad"),
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        wanted,
        False,
    )
    if materialize_grads:
        return tuple(
            wanted[n].detach().mul(0).requires_grad_(create_graph) if one is None else one
            for n, one in enumerate(found)
        )
    if not allow_unused:
        for position, one in enumerate(found):
            if one is None:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph: input "
                    f"{position}, of shape {tuple(wanted[position].shape)}. Set allow_unused=True if this "
                    "is the desired behavior."
                )
    return tuple(found)
