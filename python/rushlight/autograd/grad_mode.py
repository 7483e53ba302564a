"""Switches for recording: each works as a context manager and as a decorator, generators included."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from rushlight import _core

F = TypeVar("F", bound=Callable[..., Any])


class _Mode:
    """A mode of this thread for the duration of a block or of a function's body."""

    def __init__(self) -> None:
        self._saved: list[Any] = []  # a stack: one object may be entered again inside itself

    def clone(self) -> _Mode:
        """A fresh object with the same settings, for each call of a decorated function."""
        return type(self)()

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def __call__(self, fn: F) -> F:
        """Runs every call of ``fn`` in this mode; a generator runs in it only between its yields."""
        if inspect.isgeneratorfunction(fn):
            return _wrap_generator(self.clone, fn)

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return fn(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _wrap_generator(mode: Callable[[], _Mode], fn: F) -> F:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = fn(*args, **kwargs)
        step: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with mode():
                    value = step()
            except StopIteration as finished:
                return finished.value
            try:
                sent = yield value
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)

    return wrapper  # type: ignore[return-value]


class _BareDecorator(_Mode):
    """A mode without settings: ``@no_grad`` works as well as ``@no_grad()``."""

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        if fn is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(fn)


class no_grad(_BareDecorator):
    """Ops in this mode record nothing; their results have ``requires_grad=False``."""

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        super().__init__()

    def __enter__(self) -> None:
        self._saved.append(_core.is_grad_enabled())
        _core._set_grad_enabled(False)

    def __exit__(self, *_: object) -> None:
        _core._set_grad_enabled(self._saved.pop())


class enable_grad(_BareDecorator):
    """Records again inside ``no_grad``; does nothing inside ``inference_mode``."""

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        super().__init__()

    def __enter__(self) -> None:
        self._saved.append(_core.is_grad_enabled())
        _core._set_grad_enabled(True)

    def __exit__(self, *_: object) -> None:
        _core._set_grad_enabled(self._saved.pop())


class set_grad_enabled(_Mode):
    """Turns recording on or off: at once when called as a function, for a block or function otherwise.

    Args:
        mode: whether to record.
    """

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._before = _core.is_grad_enabled()
        _core._set_grad_enabled(self.mode)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __call__(self, fn: F) -> F:
        _core._set_grad_enabled(self._before)
        return super().__call__(fn)

    def __enter__(self) -> None:
        self._saved.append(self._before)
        _core._set_grad_enabled(self.mode)

    def __exit__(self, *_: object) -> None:
        _core._set_grad_enabled(self._saved.pop())


class inference_mode(_Mode):
    """``no_grad`` for good: what is made in this mode can never enter a graph, which saves bookkeeping.

    Args:
        mode: False leaves inference mode for a block inside it.
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = mode is not False

    def clone(self) -> inference_mode:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        self._saved.append((_core.is_inference_mode_enabled(), _core.is_grad_enabled()))
        _core._set_inference_mode(self.mode)
        _core._set_grad_enabled(not self.mode)

    def __exit__(self, *_: object) -> None:
        inference, grad = self._saved.pop()
        _core._set_inference_mode(inference)
        _core._set_grad_enabled(grad)
