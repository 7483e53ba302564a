"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor, ops
from ..autograd.grad_mode import no_grad
from .optimizer import Optimizer, Params, as_scalar, check_implementation, run_closure


class Adam(Optimizer):
    """Gradient descent with steps scaled by running moments of the gradient.

    For every parameter p with gradient g (negated if `maximize`), at step t = 1, 2, ...::

        g = g + weight_decay * p       (with decoupled_weight_decay instead p = p * (1 - lr * weight_decay))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    with the largest v so far in place of v if `amsgrad`.

    Args:
        params: tensors to optimise, or dicts of groups.
        lr: learning rate; a number or a tensor with one element.
        betas: beta1 and beta2.
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the parameter itself with `decoupled_weight_decay`.
        amsgrad: whether the denominator may not shrink.
        foreach, fused, capturable: accepted for compatibility; they choose nothing.
        maximize: whether to ascend instead.
        differentiable: not supported, must be False.
        decoupled_weight_decay: makes this AdamW.

    Raises:
        ValueError: an option is out of its range.
        NotImplementedError: `differentiable=True`.

    Source: Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled weight decay regularization", 2019;
    Reddi et al., "On the convergence of Adam and beyond", 2018.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        check_implementation(foreach, fused, differentiable)
        if differentiable:
            raise NotImplementedError(f"{type(self).__name__}: differentiable=True is not supported")
        defaults = {
            "lr": lr,
            "betas": tuple(as_scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters that have a gradient.

        Args:
            closure: recomputes the loss and the gradients; called first.

        Returns:
            What the closure returned, or None.
        """
        loss = run_closure(closure)
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        _update(param, self.state[param], group)
        return loss


def _update(param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state["step"] = ops.zeros(())
        for name in ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]):
            state[name] = ops.zeros_like(param.detach())
    state["step"].add_(1)
    step = state["step"].item()
    beta1, beta2 = group["betas"]
    lr, decay = as_scalar(group["lr"]), group["weight_decay"]
    grad: Any = param.grad
    grad = -grad if group["maximize"] else grad
    if decay and group["decoupled_weight_decay"]:
        param.mul_(1 - lr * decay)
    elif decay:
        grad = grad.add(param, alpha=decay)
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    mean.add_(grad - mean, alpha=1 - beta1)
    square.mul_(beta2).add_(grad * grad, alpha=1 - beta2)
    if group["amsgrad"]:
        largest = state["max_exp_avg_sq"]
        square = largest.copy_(ops.maximum(largest, square))
    denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
    param.add_(mean / denominator, alpha=-lr / (1 - beta1**step))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself, not through the gradient; arguments as for
    `Adam`.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
