from __future__ import annotations

import math

import pytest

import rushlight


def test_finfo() -> None:
    info = rushlight.finfo(rushlight.float32)
    assert (info.bits, info.eps, info.max) == (32, 2.0**-23, 3.4028234663852886e38)
    assert (info.min, info.tiny, info.resolution, info.dtype) == (-info.max, 2.0**-126, 1e-6, "float32")
    assert rushlight.finfo(rushlight.float64).max == 1.7976931348623157e308
    with pytest.raises(TypeError, match=r"torch.finfo\(\) requires a floating point input type"):
        rushlight.finfo(rushlight.int32)


def test_iinfo() -> None:
    info = rushlight.iinfo(rushlight.int64)
    assert (info.bits, info.min, info.max, info.dtype) == (64, -(2**63), 2**63 - 1, "int64")
    assert (rushlight.iinfo(rushlight.uint8).min, rushlight.iinfo(rushlight.uint8).max) == (0, 255)
    with pytest.raises(TypeError, match=r"torch.iinfo\(\) requires an integer input type"):
        rushlight.iinfo(rushlight.float32)


@pytest.mark.parity
def test_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name in ("float16", "bfloat16", "float32", "float64"):
        ours, theirs = rushlight.finfo(getattr(rushlight, name)), torch.finfo(getattr(torch, name))
        assert repr(ours) == repr(theirs)
        for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
            assert getattr(ours, field) == getattr(theirs, field)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        assert repr(rushlight.iinfo(getattr(rushlight, name))) == repr(torch.iinfo(getattr(torch, name)))


def test_constants_and_predicates() -> None:
    assert (rushlight.pi, rushlight.e, rushlight.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(rushlight.nan)
    assert rushlight.ones(3)[rushlight.newaxis].shape == (1, 3)
    assert rushlight.numel(rushlight.ones(2, 3)) == 6
    for name, floating in (("float32", True), ("bfloat16", True), ("int64", False), ("bool", False)):
        tensor = rushlight.zeros(1, dtype=getattr(rushlight, name))
        assert rushlight.is_floating_point(tensor) is floating
        assert not rushlight.is_complex(tensor)
