"""Handles to registered hooks."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any

_ids = itertools.count()


class RemovableHandle:
    """Takes a hook out again, by `remove()` or at the end of a `with` block.

    Args:
        hooks_dict: the dictionary that holds the hook under this handle's `id`.
        extra_dict: further dictionaries that hold an entry under the same `id`.
    """

    def __init__(self, hooks_dict: dict[int, Any], *, extra_dict: Any = None) -> None:
        self.id: int = next(_ids)
        dicts = [hooks_dict]
        if extra_dict is not None:
            dicts += extra_dict if isinstance(extra_dict, (list, tuple)) else [extra_dict]
        # A handle must not keep a module alive; plain dicts cannot be referenced weakly, OrderedDicts can.
        self._refs = [weakref.ref(entry) for entry in dicts]

    def remove(self) -> None:
        """Removes the hook; a second call does nothing."""
        for ref in self._refs:
            entries = ref()
            if entries is not None:
                entries.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        return ([ref() for ref in self._refs], self.id)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        entries, self.id = state
        self._refs = [weakref.ref(OrderedDict() if entry is None else entry) for entry in entries]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def add_hook(
    hooks: OrderedDict[int, Any], hook: Callable[..., Any], *, prepend: bool = False, extra_dict: Any = None
) -> RemovableHandle:
    """Stores `hook` in `hooks`, in front with `prepend`, and returns its handle."""
    handle = RemovableHandle(hooks, extra_dict=extra_dict)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle
