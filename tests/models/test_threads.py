"""The same bits for any number of threads: SHA-256 over a trained ResNet-18."""

from __future__ import annotations

import hashlib

import pytest

import rushlight as rl
from rushlight import nn, optim
from rushlight.vision.models import resnet18


def trained(threads: int, size: int, batch: int) -> str:
    """Hash of all parameters and buffers after two steps."""
    before = rl.get_num_threads()
    rl.set_num_threads(threads)
    try:
        rl.manual_seed(3)
        model = resnet18(num_classes=10)
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)
        for _ in range(2):
            images, labels = rl.randn(batch, 3, size, size), rl.randint(0, 10, (batch,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    finally:
        rl.set_num_threads(before)
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.kernels
@pytest.mark.parametrize(("size", "batch"), [(32, 4), (45, 3), (64, 1)])
def test_same_bits_for_any_number_of_threads(size: int, batch: int) -> None:
    expected = trained(1, size, batch)
    assert expected == trained(1, size, batch)
    for threads in (2, 3, 8):
        assert trained(threads, size, batch) == expected, f"{threads} threads"
