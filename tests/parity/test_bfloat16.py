"""bfloat16 against PyTorch: types, values within the rounding of the type, ResNet-18's errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
import tests.test_autocast as lists
from rushlight.vision.models import resnet18
from tests.parity import test_resnet as resnet

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

ROUNDING = 2.0**-8  # of one result rounded to bfloat16, relative


def both(*shapes: tuple[int, ...], seed: int = 0) -> tuple[list[Any], list[Any], list[Any]]:
    """The same bfloat16 numbers for us, for PyTorch, and for PyTorch in float64."""
    rng = np.random.default_rng(seed)
    arrays = [torch.from_numpy(rng.normal(size=shape).astype(np.float32)).bfloat16() for shape in shapes]
    ours = [rl.from_numpy(a.float().numpy()).bfloat16().requires_grad_() for a in arrays]
    theirs = [a.clone().requires_grad_() for a in arrays]
    return ours, theirs, [a.double().requires_grad_() for a in arrays]


OPS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "conv2d": (lambda F, x, w, b: F.conv2d(x, w, b, 2, 1), ((2, 5, 9, 11), (7, 5, 3, 3), (7,))),
    "conv2d, groups": (lambda F, x, w: F.conv2d(x, w, groups=4), ((1, 8, 6, 5), (8, 2, 3, 1))),
    "conv1d": (lambda F, x, w: F.conv1d(x, w), ((2, 3, 17), (4, 3, 5))),
    "conv_transpose2d": (
        lambda F, x, w, b: F.conv_transpose2d(x, w, b, 2),
        ((2, 3, 4, 5), (3, 4, 3, 2), (4,)),
    ),
    "linear": (lambda F, x, w, b: F.linear(x, w, b), ((5, 33), (9, 33), (9,))),
    "linear, 3-d": (lambda F, x, w, b: F.linear(x, w, b), ((2, 3, 17), (4, 17), (4,))),
    "matmul": (lambda F, a, b: a @ b, ((31, 65), (65, 17))),
    "bmm": (lambda F, a, b: a @ b, ((3, 7, 20), (3, 20, 5))),
    "relu": (lambda F, x: F.relu(x), ((4, 33),)),
    "add": (lambda F, a, b: a + b, ((4, 33), (33,))),
    "max_pool2d": (lambda F, x: F.max_pool2d(x, 3, 2, 1), ((2, 3, 9, 8),)),
    "adaptive_avg_pool2d": (lambda F, x: F.adaptive_avg_pool2d(x, 1), ((2, 3, 7, 7),)),
    "batch_norm": (
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        ((8, 5, 6, 6), (5,), (5,)),
    ),
    "log_softmax": (lambda F, x: F.log_softmax(x, 1), ((6, 40),)),
    "cross_entropy": (
        lambda F, x: F.cross_entropy(x, (rl if F is rl.nn.functional else torch).tensor([3, 0, 9])),
        ((3, 10),),
    ),
}


def run(op: Any, functional: Any, inputs: list[Any], weights: Any) -> tuple[Any, list[Any]]:
    """The result, and the gradients of its sum weighted by bfloat16 numbers."""
    result = op(functional, *inputs)
    result.backward(weights(result))
    return result, [value.grad for value in inputs]


@pytest.mark.parametrize("name", OPS)
def test_values_and_gradients(name: str) -> None:
    """Float32 inside and one rounding at the end: every number is as near to the exact one as that allows."""
    op, shapes = OPS[name]
    ours, theirs, exact = both(*shapes)
    slopes: Any = None

    def reference_weights(result: Any) -> Any:
        nonlocal slopes
        torch.manual_seed(1)
        slopes = torch.randn(result.shape).bfloat16()
        return slopes.double()

    expected, expected_grads = run(op, torch.nn.functional, exact, reference_weights)
    other, other_grads = run(op, torch.nn.functional, theirs, lambda _: slopes)
    mine, my_grads = run(
        op, rl.nn.functional, ours, lambda _: rl.from_numpy(slopes.float().numpy()).bfloat16()
    )
    for ours_, theirs_, exact_ in [
        (mine, other, expected),
        *zip(my_grads, other_grads, expected_grads, strict=True),
    ]:
        assert str(ours_.dtype).split(".")[-1] == str(theirs_.dtype).split(".")[-1]
        assert tuple(ours_.shape) == tuple(theirs_.shape)
        reference = exact_.detach().numpy()
        error = np.abs(ours_.detach().double().numpy() - reference)
        scale = np.abs(reference).max()
        bound = ROUNDING * np.abs(reference) + 1e-5 * scale
        if name in ("log_softmax", "cross_entropy"):  # the gradient starts from a result that is rounded
            bound = 2 * bound + ROUNDING * scale
        assert (error <= bound).all()


@pytest.mark.parametrize("given", ["float32", "bfloat16", "float64"])
def test_autocast_types(given: str) -> None:
    """Every op of the lists in test_autocast gives the type that PyTorch gives."""
    found = {}
    for library in (rl, torch):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lists, "torch", library)
            patch.setattr(lists, "F", library.nn.functional)
            with library.autocast("cpu", dtype=library.bfloat16):
                for table in (lists.LOWER, lists.WIDE, lists.UNTOUCHED):
                    for name, make in table.items():
                        dtype = str(make(getattr(library, given)).dtype).split(".")[-1]
                        found.setdefault(name, []).append(dtype)
    assert {name: pair for name, pair in found.items() if len(set(pair)) > 1} == {}


def step(library: Any, model: Any, images: Any, labels: Any, autocast: bool) -> dict[str, Any]:
    """Logits and gradients of one training step, and logits in evaluation, as float64 arrays."""
    with library.autocast("cpu", dtype=library.bfloat16, enabled=autocast):
        logits = model(images)
        loss = library.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    found = {f"gradient of {n}": p.grad.double().numpy() for n, p in model.named_parameters()}
    model.eval()
    with library.no_grad(), library.autocast("cpu", dtype=library.bfloat16, enabled=autocast):
        evaluated = model(images)
    assert evaluated.dtype == logits.dtype
    found |= {"logits": logits.detach().double().numpy(), "in evaluation": evaluated.double().numpy()}
    return found


@pytest.mark.parametrize("mode", ["autocast", "bfloat16"])
def test_resnet18(mode: str) -> None:
    """Errors against float64 at most twice PyTorch's in the same mode: of logits, of all gradients."""
    reference = resnet.make_torch_model(0)
    if mode == "bfloat16":
        reference = reference.bfloat16()
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(size=(4, 3, 64, 64)).astype(np.float32)).bfloat16()
    labels = torch.from_numpy(rng.integers(0, resnet.CLASSES, 4))
    model = resnet18(num_classes=resnet.CLASSES)
    model.load_state_dict({n: rl.from_numpy(v.double().numpy()) for n, v in reference.state_dict().items()})
    pictures = rl.from_numpy(images.float().numpy())
    exact_model = resnet.make_torch_model(0)
    exact_model.load_state_dict({n: v.double() for n, v in reference.state_dict().items()})
    exact = step(torch, exact_model.double(), images.double(), labels, False)
    if mode == "bfloat16":
        model, pictures = model.to(rl.bfloat16), pictures.bfloat16()
    else:
        images = images.float()
    ours = step(rl, model, pictures, rl.from_numpy(labels.numpy()), mode == "autocast")
    theirs = step(torch, reference, images, labels, mode == "autocast")
    mine = {name: resnet.error(ours[name], exact[name]) for name in exact}
    other = {name: resnet.error(theirs[name], exact[name]) for name in exact}
    for name in ("logits", "in evaluation"):
        assert mine.pop(name) <= 2 * other.pop(name), name
    assert np.median(list(mine.values())) <= 2 * np.median(list(other.values()))
    assert max(mine.values()) <= 2 * max(other.values())
