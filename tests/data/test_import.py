from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "name", ["utils.data.DataLoader", "vision.transforms.ToTensor", "vision.models.resnet18"]
)
def test_packages_are_there_when_asked_for_and_not_before(name):
    module = "rushlight." + name.rsplit(".", 1)[0]
    script = f"import sys, rushlight as torch; assert {module!r} not in sys.modules; torch.{name}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("name", ["rushlight", "rushlight.utils"])
def test_other_names_are_unknown(name):
    with pytest.raises(AttributeError, match=f"^module '{name}' has no attribute 'nothing'$"):
        sys.modules[name].nothing  # noqa: B018
