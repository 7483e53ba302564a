"""The job with its real networks."""

from __future__ import annotations

import numpy
import pytest

import rushlight
from rushlight.finetune import finetune


def test_a_resnet_trains_and_its_checkpoint_has_torchvisions_names(options):
    result = finetune(**{**options, "epochs": 1, "lr": 0.01})
    names = set(result.model.state_dict())
    assert len(names) == 122
    assert {"conv1.weight", "layer4.1.bn2.num_batches_tracked", "fc.bias"} <= names
    assert sum(sum(row) for row in result.confusion) == 9


@pytest.mark.parity
def test_pytorch_reads_the_checkpoint(options):
    torch = pytest.importorskip("torch")
    result = finetune(**{**options, "epochs": 1, "lr": 0.01})
    content = torch.load(result.checkpoint, weights_only=True)
    assert content["classes"] == result.classes
    assert content["settings"]["arch"] == "resnet18"
    assert len(content["model"]) == 122
    for name, value in result.model.state_dict().items():
        assert numpy.array_equal(content["model"][name].numpy(), value.numpy()), name


@pytest.mark.slow
@pytest.mark.parametrize("lowered", [False, True], ids=["float32", "bfloat16"])
def test_digits_reach_97_percent(tmp_path, lowered):
    pytest.importorskip("sklearn")
    with rushlight.autocast("cpu", dtype=rushlight.bfloat16, enabled=lowered):
        assert finetune(out=tmp_path, quiet=True).accuracy >= 0.97
