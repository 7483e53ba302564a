"""Ops whose rows wait for the op. To be emptied, then deleted."""

from __future__ import annotations

PENDING: frozenset[str] = frozenset(
    [
        "nn.functional.adaptive_avg_pool2d",
        "nn.functional.avg_pool2d",
        "nn.functional.batch_norm",
        "nn.functional.binary_cross_entropy",
        "nn.functional.binary_cross_entropy_with_logits",
        "nn.functional.conv2d",
        "nn.functional.cross_entropy",
        "nn.functional.dropout",
        "nn.functional.elu",
        "nn.functional.gelu",
        "nn.functional.hardsigmoid",
        "nn.functional.hardswish",
        "nn.functional.hardtanh",
        "nn.functional.huber_loss",
        "nn.functional.l1_loss",
        "nn.functional.leaky_relu",
        "nn.functional.linear",
        "nn.functional.log_softmax",
        "nn.functional.logsigmoid",
        "nn.functional.max_pool2d",
        "nn.functional.mse_loss",
        "nn.functional.nll_loss",
        "nn.functional.one_hot",
        "nn.functional.pad",
        "nn.functional.relu",
        "nn.functional.relu6",
        "nn.functional.silu",
        "nn.functional.smooth_l1_loss",
        "nn.functional.softmax",
        "nn.functional.softplus",
    ]
)
