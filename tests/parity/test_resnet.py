"""ResNet-18 against PyTorch, each judged by PyTorch in float64: our error is at most twice PyTorch float32's
own.

The error of a tensor is the norm of the difference, relative to the reference's norm. Of logits, gradients,
running statistics and parameters the median and the largest error are compared (that of a single small tensor
is a matter of luck), our least of several data sets with PyTorch's median: where the input of a ReLU is
nearly zero, rounding decides on which side it falls, and one such element weighs more than the rounding of
all others together; training amplifies it. The models here keep away from that kink, and if it is hit
nevertheless (or a pooling window has two nearly equal maxima), another data set speaks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.vision.models import resnet18

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

CLASSES = 1000
# What float32 rounding leaves where PyTorch's own error happens to be (almost) nothing.
FLOOR = 2e-7


def make_torch_model(seed: int) -> Any:
    """A reference whose norms differ from 1 and 0 and put every channel well above or well below zero."""
    from tests.parity.torch_resnet import ResNet18

    torch.manual_seed(seed)
    model = ResNet18(CLASSES)
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, torch.nn.BatchNorm2d):
                continue
            module.weight.uniform_(0.5, 1.0)
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            # What a block adds to its shortcut must not bring it near zero: shortcuts are 0 or about 4 to 12.
            low = 4.0 if "downsample" in name else -20.0 if name.endswith("bn2") else -4.0
            module.bias.copy_(torch.where(torch.rand(module.bias.shape) < 0.5, low, 4.0))
    return model


def run(library: Any, model: Any, images: Any, labels: Any) -> dict[str, Any]:
    """Logits and gradients of the first step; statistics, parameters and logits (in eval mode) after the
    last.
    """
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True)
    found: dict[str, Any] = {}
    for step in range(len(images)):
        optimizer.zero_grad()
        logits = model(images[step])
        library.nn.functional.cross_entropy(logits, labels[step]).backward()
        if step == 0:
            found["logits"] = logits.detach().numpy().copy()
            found |= {f"gradient of {n}": p.grad.numpy().copy() for n, p in model.named_parameters()}
        optimizer.step()
    found |= {n: v.numpy().copy() for n, v in model.state_dict().items()}
    model.eval()
    with library.no_grad():
        found["logits in eval mode"] = model(images[0]).numpy().copy()
    return found


def error(values: Any, reference: Any) -> float:
    difference = np.linalg.norm(np.asarray(values, np.float64).ravel() - reference.ravel())
    return float(difference / max(np.linalg.norm(reference.ravel()), 1e-300))


def errors(seed: int, batch: int, size: int, steps: int) -> dict[str, tuple[float, float]]:
    """For each kind of tensor found by `run` and each statistic, our error and PyTorch's."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(steps, batch, 3, size, size)).astype(np.float32)
    labels = rng.integers(0, CLASSES, (steps, batch))
    state = {n: v.numpy().copy() for n, v in make_torch_model(seed).state_dict().items()}
    model = resnet18(num_classes=CLASSES)
    model.load_state_dict({n: rl.from_numpy(v) for n, v in state.items()})
    ours = run(rl, model, rl.from_numpy(images), rl.from_numpy(labels))
    pictures, targets = torch.from_numpy(images), torch.from_numpy(labels)
    theirs = run(torch, make_torch_model(seed), pictures, targets)
    exact = run(torch, make_torch_model(seed).double(), pictures.double(), targets)
    assert list(ours) == list(exact)
    kinds: dict[str, list[tuple[float, float]]] = {}
    for name, expected in exact.items():
        pair = error(ours[name], expected), error(theirs[name], expected)
        kinds.setdefault(kind_of(name), []).append(pair)
    found = {}
    for kind, pairs in kinds.items():
        mine, other = zip(*pairs, strict=True)
        found[f"{kind}, median"] = float(np.median(mine)), float(np.median(other))
        found[f"{kind}, largest"] = max(mine), max(other)
    return found


def kind_of(name: str) -> str:
    for kind in ("logits", "gradient", "running", "tracked"):
        if kind in name:
            return kind
    return "parameters"


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "size", "steps"), [(8, 64, 5), (5, 75, 5)])
def test_training(batch: int, size: int, steps: int) -> None:
    found = [errors(seed, batch, size, steps) for seed in range(3)]
    misses = []
    for name in found[0]:
        ours = min(entry[name][0] for entry in found)
        theirs = float(np.median([entry[name][1] for entry in found]))
        if ours > max(2 * theirs, FLOOR):
            misses.append(f"{name}: error {ours:.2e}, PyTorch's is {theirs:.2e}")
    assert not misses, "\n".join(misses)


def test_names_and_shapes() -> None:
    theirs = make_torch_model(0).state_dict()
    ours = resnet18().state_dict()
    assert [(n, tuple(v.shape)) for n, v in ours.items()] == [(n, tuple(v.shape)) for n, v in theirs.items()]


def test_checkpoints_go_both_ways(tmp_path: Any) -> None:
    theirs, ours = make_torch_model(1), resnet18()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours.load_state_dict(rl.load(tmp_path / "theirs.pth"))
    rl.save(ours.state_dict(), tmp_path / "ours.pth")
    theirs.load_state_dict(torch.load(tmp_path / "ours.pth", weights_only=True))
    for (name, mine), (_, other) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert (mine.numpy() == other.numpy()).all(), name
