"""The kernels that ops say they ran on, at every level."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import rushlight as torch

LEVELS = ("generic", "avx2", "avx512", "amx")
TILES = {"highest": "x6", "high": "x3", "medium": "x1"}

SCRIPT = """
import json, sys
import rushlight as torch
from rushlight.profiler import profile

def kernels(work):
    with profile() as prof:
        work()
    (names,) = [event.kernel for event in prof.events() if event.kernel]
    return names.split(", ")

def seen(dtype):
    a, b = torch.rand(96, 96).to(dtype), torch.rand(96, 96).to(dtype)
    bad = b.clone()
    bad[3, 5] = float("inf")
    names = {
        "product": kernels(lambda: a @ b),
        "small product": kernels(lambda: a[:2] @ b[:, :64]),
        "product of infinity": kernels(lambda: a @ bad),
    }
    for images in (1, 16):
        x = torch.rand(images, 64, 28, 28).to(dtype)
        weight = torch.rand(64, 64, 3, 3).to(dtype).requires_grad_()
        conv = lambda x: torch.nn.functional.conv2d(x, weight, padding=1)
        bad = x.clone()
        bad[0, 0, 0, 0] = float("nan")
        with torch.no_grad():
            names[f"conv of {images}"] = kernels(lambda: conv(x))
            names[f"conv of {images}, NaN"] = kernels(lambda: conv(bad))
        y = conv(x.requires_grad_())
        names[f"conv of {images}, backward"] = kernels(lambda: y.backward(torch.ones_like(y)))
    return names

found = {}
for precision in ("highest", "high", "medium"):
    torch.set_float32_matmul_precision(precision)
    found[precision] = {"names": seen(torch.float32), "config": torch.__config__.kernels()}
found["bfloat16"] = {"names": seen(torch.bfloat16), "config": torch.__config__.kernels()}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    best = torch.__config__.facts()["isa best"]
    if LEVELS.index(request.param) > LEVELS.index(best):
        pytest.skip(f"this machine has {best} at best")
    return request.param


@pytest.fixture(scope="module")
def found(level: str) -> dict[str, dict[str, dict]]:
    environment = {**os.environ, "RUSHLIGHT_ISA": level}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("precision", [*TILES, "bfloat16"])
def test_ops_say_what_they_ran_on(level: str, found: dict, precision: str) -> None:
    names, config = found[precision]["names"], found[precision]["config"]
    arm = "avx512" if level == "amx" else level
    gemm = {"generic": "gemm_f32_4x8", "avx2": "gemm_f32_6x16", "avx512": "gemm_f32_14x32"}[arm] + f"_{arm}"
    conv = {"generic": "conv2d_f32_4x1x8", "avx2": "conv2d_f32_6x1x16", "avx512": "conv2d_f32_2x7x32"}[arm]
    conv += f"_{arm}"
    bfloat16 = precision == "bfloat16"
    if level == "amx":
        kind = "bf16_amx" if bfloat16 else f"f32_{TILES[precision]}_amx"
        fits = {
            "product": f"gemm_{kind}",
            "conv": f"conv2d_{kind}",
            "backward": f"conv2d_grad_weight_{kind}",
        }
        kind = "bfloat16" if bfloat16 else "float32"
        assert config[f"products, {kind}"] == fits["product"]
        assert config[f"convolutions, {kind}"] == fits["conv"]
    else:
        winograd = f"conv2d_f32_winograd_{level}"
        fits = {"product": gemm, "conv": winograd, "backward": winograd}
        assert config["products, float32"] == gemm
        assert config["convolutions, float32"] == conv
        assert "products, bfloat16" not in config
    assert names["product"] == [fits["product"]]
    assert names["small product"] == [gemm]
    # Only blocks that hold the infinity leave the tiles; bfloat16 products need not.
    both = level == "amx" and not bfloat16
    assert names["product of infinity"] == [fits["product"], gemm][: 1 + both]
    for images in (1, 16):
        winograd = level == "amx" and precision == "highest" and images == 16
        name = "conv2d_f32_winograd_x6_amx" if winograd else fits["conv"]
        assert names[f"conv of {images}"] == [name]
        assert names[f"conv of {images}, NaN"] == [conv]
        assert set(names[f"conv of {images}, backward"]) == {name, fits["backward"]}


def test_verbose_names_tiles_and_why_they_were_left(level: str) -> None:
    script = """
import rushlight as torch
a = torch.rand(96, 96)
a @ a
a[0, 0] = float("nan")
a @ a
"""
    environment = {**os.environ, "RUSHLIGHT_ISA": level, "RUSHLIGHT_VERBOSE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    products = [line for line in done.stderr.splitlines() if "matmul" in line]
    if level == "amx":
        refused = " (refused: tiles: infinities, NaN or values beyond 2^62), "
        assert ", kernel gemm_f32_x6_amx, float32" in products[0]
        assert ", kernel gemm_f32_x6_amx, gemm_f32_14x32_avx512" + refused in products[1]
    else:
        assert all(f"_{level}, float32" in line and "refused" not in line for line in products)
