"""The PyTorch tutorial "A gentle introduction to torch.autograd", statement by statement, on rushlight.

A file in the download cache, made here, stands in for the weights.
"""

from __future__ import annotations

import ast
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.vision.models import resnet18
from tests.models.stand_in import put_in_cache

TRAINING_STEP = """
import rushlight as torch
from rushlight.vision.models import resnet18, ResNet18_Weights
model = resnet18(weights=ResNet18_Weights.DEFAULT)
data = torch.rand(1, 3, 64, 64)
labels = torch.rand(1, 1000)

prediction = model(data) # forward pass

loss = (prediction - labels).sum()
loss.backward() # backward pass

optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)

optim.step() #gradient descent
"""

DIFFERENTIATION = """
import rushlight as torch

a = torch.tensor([2., 3.], requires_grad=True)
b = torch.tensor([6., 4.], requires_grad=True)

Q = 3*a**3 - b**2

external_grad = torch.tensor([1., 1.])
Q.backward(gradient=external_grad)

# check if collected gradients are correct
print(9*a**2 == a.grad)
print(-2*b == b.grad)
"""

EXCLUSION = """
x = torch.rand(5, 5)
y = torch.rand(5, 5)
z = torch.rand((5, 5), requires_grad=True)

a = x + y
print(f"Does `a` require gradients?: {a.requires_grad}")
b = x + z
print(f"Does `b` require gradients?: {b.requires_grad}")
"""

FREEZING = """
from rushlight import nn, optim

model = resnet18(weights=ResNet18_Weights.DEFAULT)

# Freeze all the parameters in the network
for param in model.parameters():
    param.requires_grad = False

model.fc = nn.Linear(512, 10)

# Optimize only the classifier
optimizer = optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
"""


def run(code: str, names: dict[str, Any]) -> str:
    """Executes the statements one by one in `names`; returns what they printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        for statement in ast.parse(code).body:
            exec(compile(ast.Module([statement], []), "<tutorial>", "exec"), names)
    return printed.getvalue()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of the file that stands in for the downloaded one."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    rl.manual_seed(7)
    return put_in_cache(resnet18(), tmp_path, monkeypatch)


def test_training_step(weights: Path) -> None:
    names: dict[str, Any] = {}
    assert run(TRAINING_STEP, names) == ""
    model, before = names["model"], rl.load(weights)
    assert tuple(names["prediction"].shape) == (1, 1000)
    # d loss / d logit is 1 everywhere, so the classifier's gradients are known.
    assert model.fc.bias.grad.tolist() == [1.0] * 1000
    rows = model.fc.weight.grad.numpy()
    assert (rows == rows[:1]).all()
    assert (rows >= 0).all()  # they are the pooled features, which passed a ReLU
    for name, param in model.named_parameters():
        assert np.isfinite(param.grad.numpy()).all(), name
        expected = before[name].numpy() - np.float32(1e-2) * param.grad.numpy()
        np.testing.assert_allclose(param.detach().numpy(), expected, rtol=1e-6, atol=1e-6, err_msg=name)
    assert int(model.bn1.num_batches_tracked) == 1


def test_differentiation() -> None:
    names: dict[str, Any] = {}
    assert run(DIFFERENTIATION, names) == "tensor([True, True])\ntensor([True, True])\n"
    assert names["a"].grad.tolist() == [36.0, 81.0]
    assert names["b"].grad.tolist() == [-12.0, -8.0]
    assert repr(names["Q"]) == "tensor([-12.,  65.], grad_fn=<SubBackward0>)"


def test_differentiation_of_the_sum() -> None:
    """The text says that `Q.sum().backward()` is the same as the external gradient of ones."""
    names: dict[str, Any] = {}
    run(DIFFERENTIATION.replace("Q.backward(gradient=external_grad)", "Q.sum().backward()"), names)
    assert names["a"].grad.tolist() == [36.0, 81.0]
    assert names["b"].grad.tolist() == [-12.0, -8.0]


def test_exclusion_from_the_graph() -> None:
    names: dict[str, Any] = {}
    run("import rushlight as torch", names)
    assert run(EXCLUSION, names) == (
        "Does `a` require gradients?: False\nDoes `b` require gradients?: True\n"
    )


@pytest.mark.usefixtures("weights")
def test_freezing() -> None:
    names: dict[str, Any] = {}
    run(TRAINING_STEP.split("data =")[0], names)
    run(FREEZING, names)
    model, optimizer = names["model"], names["optimizer"]
    trainable = [name for name, param in model.named_parameters() if param.requires_grad]
    assert trainable == ["fc.weight", "fc.bias"]
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    with pytest.warns(UserWarning, match=r"20 layer\(s\).*still move: bn1, layer1.0.bn1, "):
        loss = nn_loss(model)
    loss.backward()
    optimizer.step()
    for name, param in model.named_parameters():
        assert (param.grad is not None) == (name in trainable)
        assert (param.detach().numpy() == before[name]).all() == (name not in trainable)
    assert not (model.bn1.running_mean.numpy() == before["bn1.running_mean"]).all()  # as in PyTorch


def nn_loss(model: Any) -> Any:
    return rl.nn.functional.cross_entropy(model(rl.rand(2, 3, 64, 64)), rl.tensor([3, 7]))
