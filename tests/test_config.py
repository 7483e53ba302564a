"""What the package tells about itself and the machine."""

from __future__ import annotations

import rushlight


def test_machine_limits_are_measured_for_the_level_in_use() -> None:
    limits = rushlight.__config__.machine_limits()
    assert min(limits["fma"], limits["stream"], limits["read"]) > 0
    assert (limits["tiles"] > 0) == (rushlight.__config__.facts()["isa"] == "amx")
    assert rushlight.__config__.machine_limits() == limits  # remembered
