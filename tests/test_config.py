"""What the package tells about itself and the machine."""

from __future__ import annotations

import pytest

import rushlight


def test_machine_limits_are_measured_for_the_level_in_use() -> None:
    limits = rushlight.__config__.machine_limits()
    assert min(limits["fma"], limits["stream"], limits["update"], limits["read"]) > 0
    assert (limits["tiles"] > 0) == (rushlight.__config__.facts()["isa"] == "amx")
    assert rushlight.__config__.machine_limits() == limits  # remembered


def test_show_config_names_level_threads_and_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    rushlight.show_config()
    shown = capsys.readouterr().out
    level = rushlight.__config__.facts()["isa"]
    assert f"isa        {level}\n" in shown
    assert f"threads    {rushlight.get_num_threads()}\n" in shown
    for family in ("products, float32", "convolutions, float64", "everything else"):
        assert f"  {family:<22} {rushlight.__config__.kernels()[family]}" in shown
    assert rushlight.__config__.kernels()["products, float32"].endswith(f"_{level}")
