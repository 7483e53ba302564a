"""The same bits for any number of threads, in every precision: SHA-256 over a trained ResNet-18."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

import rushlight as rl
from rushlight import nn, optim
from rushlight.vision.models import resnet18

MODES = ["highest", "high", "medium", "bfloat16"]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    threads = rl.get_num_threads()
    yield
    rl.set_num_threads(threads)
    rl.set_float32_matmul_precision("highest")


def trained(threads: int, size: int, batch: int, mode: str) -> str:
    """Hash of all parameters and buffers after two steps, and of a prediction."""
    rl.set_num_threads(threads)
    rl.set_float32_matmul_precision("highest" if mode == "bfloat16" else mode)
    rl.manual_seed(3)
    model = resnet18(num_classes=10)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)
    with rl.autocast("cpu", dtype=rl.bfloat16, enabled=mode == "bfloat16"):
        for _ in range(2):
            images, labels = rl.randn(batch, 3, size, size), rl.randint(0, 10, (batch,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        with rl.no_grad():
            prediction = model.eval()(images)
    digest = hashlib.sha256()
    for name, value in {**model.state_dict(), "prediction": prediction.float()}.items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.kernels
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "batch"), [(32, 4), (45, 3), (64, 1), (33, 16)])
def test_same_bits_for_any_number_of_threads(size: int, batch: int, mode: str) -> None:
    expected = trained(1, size, batch, mode)
    assert expected == trained(1, size, batch, mode)
    for threads in (2, 3, 8):
        assert trained(threads, size, batch, mode) == expected, f"{threads} threads"
