"""ResNet-18 whole: training steps, inference, fine-tuning of the last layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

import rushlight
import rushlight.vision
from bench import layers
from bench.compare import Call, Candidates, Case
from bench.environment import libraries

# (batch, size): ImageNet's, small pictures, the tutorial's.
TRAIN = [(16, 224), (32, 64), (1, 64)]
INFERENCE = [(1, 224), (16, 224)]
FINE_TUNE = (16, 224)


def _batch(library: ModuleType, batch: int, size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, size, size), dtype=np.float32)
    labels = rng.integers(0, 10, batch)
    return library.from_numpy(images), library.from_numpy(labels)


def new_model(library: ModuleType, channels_last: bool) -> Any:
    """ResNet-18 of either library, in training mode."""
    library.manual_seed(0)
    if library is rushlight:
        return rushlight.vision.models.resnet18()
    from bench.torch_resnet18 import resnet18  # here, for those without PyTorch

    model = resnet18()
    return model.to(memory_format=library.channels_last) if channels_last else model


def autocast(library: ModuleType, dtype: str) -> AbstractContextManager[object]:
    """The context in which a step of that dtype runs."""
    return library.autocast("cpu", dtype=library.bfloat16) if dtype == "bfloat16" else nullcontext()


def _train(library: ModuleType, dtype: str, model: Any, images: Any, labels: Any) -> Call:
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = library.optim.SGD(wanted, lr=1e-3, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        with autocast(library, dtype):
            loss = library.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def _inference(library: ModuleType, dtype: str, model: Any, images: Any, labels: Any) -> Call:
    model.eval()

    def infer() -> None:
        with library.no_grad(), autocast(library, dtype):
            model(images)

    return infer


def _optimised(library: ModuleType, dtype: str, model: Any, images: Any, labels: Any) -> Call:
    """PyTorch has no such function; its model is asked as it is."""
    if library is rushlight:
        model = rushlight.optimize_for_inference(model)
    return _inference(library, dtype, model, images, labels)


def _new_head(library: ModuleType, model: Any) -> None:
    """The tutorial's last part: everything frozen but a new last layer."""
    model.requires_grad_(False)
    head = library.nn.Linear(512, 10)
    if library is rushlight:
        model.fc = head
    else:
        model[-1] = head


def _fine_tune(library: ModuleType, dtype: str, model: Any, images: Any, labels: Any) -> Call:
    """As the tutorial writes it: the running statistics of the frozen layers still move."""
    _new_head(library, model)
    step = _train(library, dtype, model, images, labels)
    with warnings.catch_warnings():  # ours says so, once
        warnings.simplefilter("ignore", UserWarning)
        step()
    return step


def _fine_tune_fixed(library: ModuleType, dtype: str, model: Any, images: Any, labels: Any) -> Call:
    """Frozen whole: `freeze()` with us, `eval()` with PyTorch."""
    if library is rushlight:
        model.freeze()
    _new_head(library, model)
    model.train(library is rushlight)
    return _train(library, dtype, model, images, labels)


def _candidates(make: Callable[..., Call], dtype: str, batch: int, size: int) -> Candidates:
    ours, *others = libraries()
    calls = {"rushlight": make(ours, dtype, new_model(ours, False), *_batch(ours, batch, size))}
    for torch in others:
        images, labels = _batch(torch, batch, size)
        calls["torch"] = make(torch, dtype, new_model(torch, False), images, labels)
        images = images.contiguous(memory_format=torch.channels_last)
        calls["torch channels-last"] = make(torch, dtype, new_model(torch, True), images, labels)
    return calls


def cases(quick: bool, dtype: str) -> Iterator[Case]:
    work = [(_train, "train step", *shape, layers.train_flop, layers.TRAIN_BYTES) for shape in TRAIN]
    forward = layers.forward_flop, layers.FORWARD_BYTES
    work += [(_inference, "inference", *shape, *forward) for shape in INFERENCE]
    work += [(_optimised, "optimised inference", *shape, *forward) for shape in INFERENCE]
    work.append((_fine_tune_fixed, "fine-tune head", *FINE_TUNE, *forward))
    work.append((_fine_tune, "fine-tune head, train mode", *FINE_TUNE, *forward))
    for make, name, batch, size, flop, bytes_moved in work:
        if quick and batch * size > 32 * 64:
            continue
        yield Case(
            f"{name} {batch}x3x{size}x{size}",
            partial(_candidates, make, dtype, batch, size),
            flop(batch, size),
            bytes_moved,
        )
