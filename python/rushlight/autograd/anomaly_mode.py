"""Finding where a NaN comes from."""

from __future__ import annotations

import warnings

from rushlight import _core


class set_detect_anomaly:
    """Turns anomaly detection on or off, at once or for a ``with`` block.

    While it is on, backward checks every gradient and raises at the first NaN, naming the op that returned
    it and the line of the user's program that ran the op.

    Args:
        mode: whether to detect.
        check_nan: with False, nothing is checked.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _core._is_anomaly_enabled()
        _core._set_anomaly_enabled(mode and check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _core._set_anomaly_enabled(self._before)


class detect_anomaly(set_detect_anomaly):
    """``set_detect_anomaly(True)`` as a context manager, with a warning about its cost.

    Args:
        check_nan: with False, nothing is checked.
    """

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for debugging.",
            stacklevel=2,
        )
        self._check_nan = check_nan
        self._before = _core._is_anomaly_enabled()

    def __enter__(self) -> None:
        self._before = _core._is_anomaly_enabled()
        _core._set_anomaly_enabled(self._check_nan)
