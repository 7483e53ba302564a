"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from .._core import Tensor, int64, ops
from . import _freeze, init
from . import functional as F
from .module import Module
from .parameter import Parameter


def make_affine(
    module: Module, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any
) -> None:
    """Registers `weight` and `bias` of the given shape, or None for what is not wanted."""
    for name, wanted in (("weight", weight), ("bias", bias)):
        param = Parameter(ops.empty(shape, device=device, dtype=dtype)) if wanted else None
        module.register_parameter(name, param)


def reset_affine(module: Module) -> None:
    """Sets `weight` to 1 and `bias` to 0, where there are such."""
    if module.weight is not None:
        init.ones_(module.weight)
    if module.bias is not None:
        init.zeros_(module.bias)


class _BatchNorm(Module):
    """What the batch norms share; they differ in the input they accept."""

    _version = 2  # since 2, `num_batches_tracked` is saved

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        make_affine(self, (num_features,), affine, affine and bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", ops.zeros(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", ops.ones(num_features, device=device, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "num_batches_tracked", ops.zeros((), device=device, dtype=int64) if tracked else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the batches seen: mean 0, variance 1, count 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Resets the statistics, the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        reset_affine(self)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError(f"{type(self).__name__}: a batch norm checks its input")

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(**self._prepared(input))

    def _forward_relu(self, input: Tensor, residual: Tensor | None = None) -> Tensor:
        """`relu(forward(input) + residual)` in one pass."""
        return ops.batch_norm_relu(**self._prepared(input), residual=residual)

    def _forward_relu_pool(self, input: Tensor, pool: Any) -> Tensor:
        """`pool(relu(forward(input)))` for a `MaxPool2d`."""
        return ops.batch_norm_relu_max_pool2d(
            **self._prepared(input),
            kernel_size=pool.kernel_size,
            stride=pool.stride,
            padding=pool.padding,
            dilation=pool.dilation,
            ceil_mode=pool.ceil_mode,
        )

    def _prepared(self, input: Tensor) -> dict[str, Any]:
        """The arguments of `F.batch_norm` for this batch, which is counted."""
        self._check_input_dim(input)
        tracked = self.training and self.track_running_stats
        factor = 0.0 if self.momentum is None else self.momentum
        if tracked:
            if self.affine and not self.weight.requires_grad:
                self._warn_if_frozen()
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if self.momentum is None:  # cumulative average
                    factor = 1.0 / float(self.num_batches_tracked)
        keep = tracked or not self.training
        return {
            "input": input,
            "running_mean": self.running_mean if keep else None,
            "running_var": self.running_var if keep else None,
            "weight": self.weight,
            "bias": self.bias,
            "training": self.training or self.running_mean is None,
            "momentum": factor,
            "eps": self.eps,
        }

    def _warn_if_frozen(self) -> None:
        if "_warned_moving_statistics" not in self.__dict__ and _freeze.has_moving_statistics(self):
            _freeze.warn_moving_statistics(self, Module.__call__, lambda m: isinstance(m, _BatchNorm))

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            # Files of that age do not have the counter: it keeps its value.
            state_dict.setdefault(prefix + "num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of vectors or sequences, per channel.

    `y = (x - mean) / sqrt(var + eps) * weight + bias`. In training mode mean and (biased) variance come from
    the batch, and the running statistics move by `running = (1 - momentum) * running + momentum * batch`,
    with the unbiased variance; in evaluation mode the running statistics are used.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: share of the batch in the running statistics; None averages over all batches.
        affine: whether a weight is learned.
        bias: whether a bias is learned as well.
        track_running_stats: whether running statistics are kept; without them every batch is normalised by
            its own.

    Shapes:
        input and output ``(N, C)`` or ``(N, C, L)``.

    Raises:
        ValueError: the input has another number of dimensions, or training sees one value per channel only.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images, per channel; see `BatchNorm1d` for formula and arguments.

    Shapes:
        input and output ``(N, C, H, W)``.

    Raises:
        ValueError: the input has another number of dimensions, or training sees one value per channel only.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class LayerNorm(Module):
    """Normalisation over the last dimensions of each sample.

    Args:
        normalized_shape: sizes of the dimensions to normalise over.
        eps: added to the variance.
        elementwise_affine: whether weight and bias are learned.
        bias: whether there is a bias (with `elementwise_affine`).

    Shapes:
        input and output ``(*, *normalized_shape)``.

    Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(normalized_shape, int):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        make_affine(
            self, self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets the weight to 1 and the bias to 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalisation of each sample over groups of channels.

    Args:
        num_groups: number of groups the channels are divided into.
        num_channels: number of channels C.
        eps: added to the variance.
        affine: whether a weight (one value a channel) is learned.
        bias: whether a bias is learned as well.

    Shapes:
        input and output ``(N, C, *)``.

    Raises:
        ValueError: `num_channels` is not divisible by `num_groups`.

    Source: Wu and He, "Group Normalization", 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels must be divisible by num_groups, got num_channels={num_channels}, "
                f"num_groups={num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        make_affine(self, (num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Resets the weight to 1 and the bias to 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
