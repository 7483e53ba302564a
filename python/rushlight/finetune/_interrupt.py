"""Stopping a run between two batches."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal, after writing a checkpoint.

    Attributes: ``signal`` (its number) and ``checkpoint`` (the file).
    """

    def __init__(self, number: int, checkpoint: str) -> None:
        super().__init__(f"finetune: stopped by {signal.Signals(number).name}; checkpoint: {checkpoint}")
        self.signal = number
        self.checkpoint = checkpoint


class Interrupt:
    """While entered, SIGINT and SIGTERM are only noted in ``received``; a second one stops at once.

    Only the main thread can catch signals; in another one this does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
