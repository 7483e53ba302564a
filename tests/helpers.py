"""Checks that several test folders share."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def check_raises(fn: Callable[[], object], exception: type[BaseException], match: str) -> BaseException:
    """Asserts that fn() raises exactly this class (no subclass) with a message that matches."""
    with pytest.raises(exception, match=match) as caught:
        fn()
    assert caught.type is exception, f"expected {exception.__name__}, got {caught.type.__name__}"
    return caught.value
