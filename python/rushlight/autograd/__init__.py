"""Automatic differentiation: gradients, recording modes, user-defined functions, numerical checks."""

from __future__ import annotations

from rushlight.autograd import functional as functional
from rushlight.autograd import graph as graph
from rushlight.autograd._backward import backward as backward
from rushlight.autograd._backward import grad as grad
from rushlight.autograd.anomaly_mode import detect_anomaly as detect_anomaly
from rushlight.autograd.anomaly_mode import set_detect_anomaly as set_detect_anomaly
from rushlight.autograd.function import Function as Function
from rushlight.autograd.grad_mode import enable_grad as enable_grad
from rushlight.autograd.grad_mode import inference_mode as inference_mode
from rushlight.autograd.grad_mode import no_grad as no_grad
from rushlight.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from rushlight.autograd.gradcheck import gradcheck as gradcheck
from rushlight.autograd.gradcheck import gradgradcheck as gradgradcheck
