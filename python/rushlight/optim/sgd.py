"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor, ops
from .optimizer import Optimizer, Params, as_scalar, check_implementation, run_closure


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    For every parameter p with gradient g, at step t = 1, 2, ...::

        g = -g                                    if maximize
        g = g + weight_decay * p                  if weight_decay
        b = g                                     if momentum, t = 1
        b = momentum * b + (1 - dampening) * g    if momentum, t > 1
        g = g + momentum * b   if nesterov,  else  g = b
        p = p - lr * g

    Args:
        params: tensors to optimise, or dicts of groups.
        lr: learning rate; a number or a tensor with one element.
        momentum: share of the velocity b that is kept.
        dampening: share of the gradient that is kept out of the velocity, from the second step on.
        weight_decay: factor of the parameter that is added to its gradient (L2 penalty).
        nesterov: whether to look ahead along the velocity.
        maximize: whether to ascend instead.
        foreach, fused: accepted for compatibility; the update is one fused pass over all parameters.
        differentiable: whether the step itself is recorded by autograd; it is composed of operations then.

    Raises:
        ValueError: a negative option, or nesterov without momentum or with dampening.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, in
        PyTorch's
    form: the learning rate scales the velocity, not the gradient in it.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        # Written so that NaN is refused as well.
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"got momentum={momentum}, dampening={dampening}"
            )
        check_implementation(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # files of older versions may lack some
            for name, value in (("nesterov", False), ("maximize", False), ("differentiable", False)):
                group.setdefault(name, value)
            group.setdefault("foreach", None)
            group.setdefault("fused", None)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters that have a gradient.

        Args:
            closure: recomputes the loss and the gradients; called first.

        Returns:
            What the closure returned, or None.
        """
        loss = run_closure(closure)
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if group["differentiable"]:
                for param in params:
                    _differentiable_update(param, self.state[param] if group["momentum"] else {}, group)
            elif not group["momentum"]:
                _update(params, [], group)
            else:
                self._update_with_momentum(params, group)
        return loss

    def _update_with_momentum(self, params: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[param] for param in params]
        # Parameters that join later have their first step then.
        fresh = [state.get("momentum_buffer") is None for state in states]
        for param, state, is_fresh in zip(params, states, fresh, strict=True):
            if is_fresh:
                state["momentum_buffer"] = ops.empty_like(param.detach())
        for first_step in (True, False):
            chosen = [i for i, is_fresh in enumerate(fresh) if is_fresh == first_step]
            buffers = [states[i]["momentum_buffer"] for i in chosen]
            _update([params[i] for i in chosen], buffers, group, first_step)


def _update(
    params: list[Tensor], buffers: list[Any], group: dict[str, Any], first_step: bool = False
) -> None:
    if not params:
        return
    ops.sgd_step_(
        params,
        [param.grad for param in params],  # type: ignore[misc]
        buffers,
        lr=float(as_scalar(group["lr"])),
        momentum=float(group["momentum"]),
        dampening=float(group["dampening"]),
        weight_decay=float(as_scalar(group["weight_decay"])),
        nesterov=group["nesterov"],
        maximize=group["maximize"],
        first_step=first_step,
    )


def _differentiable_update(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    grad: Any = param.grad
    momentum, lr, weight_decay = group["momentum"], group["lr"], group["weight_decay"]
    grad = -grad if group["maximize"] else grad
    if as_scalar(weight_decay) != 0:
        grad = grad + param.clone() * weight_decay
    if momentum:
        buffer = state.get("momentum_buffer")
        if buffer is None:
            buffer = grad.detach().clone()
        else:
            buffer = buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
        state["momentum_buffer"] = buffer
        grad = grad + buffer * momentum if group["nesterov"] else buffer.clone()
    param.sub_(grad * lr)
