"""What a run says while it works."""

from __future__ import annotations

import sys
from typing import Any


class Display:
    """Lines for each epoch; on a terminal also a bar for what is under way.

    Args:
        quiet: say nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty()
        self._bar: Any = None

    def line(self, text: str) -> None:
        """Say one line."""
        self.end()
        if not self._quiet:
            print(text, flush=True)

    def step(self, title: str, done: int, total: int, detail: str = "") -> None:
        """Move the bar of ``title``, on a terminal."""
        if not self._live:
            return
        if self._bar is None:
            self._bar = _make_bar(total, done)
        self._bar.show(title, done, detail)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _make_bar(total: int, done: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _PlainBar(total)
    return _TqdmBar(tqdm(total=total, initial=done, leave=False, dynamic_ncols=True, unit=" images"))


class _TqdmBar:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def show(self, title: str, done: int, detail: str) -> None:
        self._bar.set_description_str(title, refresh=False)
        self._bar.set_postfix_str(detail, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _PlainBar:
    WIDTH = 24

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)

    def show(self, title: str, done: int, detail: str) -> None:
        filled = "#" * (self.WIDTH * done // self._total)
        sys.stderr.write(f"\r\x1b[K{title} [{filled:-<{self.WIDTH}}] {done}/{self._total}  {detail}")
        sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
