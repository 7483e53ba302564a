"""Saving and loading of a module's state.

Loading works in two phases: every module first checks its entries and queues the assignments, and only if no
module found a fault are they carried out, so that a failed load changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ..utils.hooks import RemovableHandle, add_hook
from ._tree import HookDict, ModuleTree
from .parameter import Parameter

if TYPE_CHECKING:
    pass

# State dicts carry the state of `get_extra_state` under this name.
EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class StateDictMixin(ModuleTree):
    """State-dict methods of `Module`."""

    _version: int = 1
    _state_dict_pre_hooks: HookDict
    _state_dict_hooks: HookDict
    _load_state_dict_pre_hooks: HookDict
    _load_state_dict_post_hooks: HookDict

    def get_extra_state(self) -> Any:
        """State beyond parameters and buffers, to be saved with them; override together with
        `set_extra_state`.
        """
        raise NotImplementedError("get_extra_state: override it in the module that has extra state")

    def set_extra_state(self, state: Any) -> None:
        """Takes back what `get_extra_state` returned."""
        raise NotImplementedError("set_extra_state: override it in the module that has extra state")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not StateDictMixin.get_extra_state

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers under their dotted names.

        Args:
            destination: dictionary to fill instead of a new one.
            prefix: put in front of every name.
            keep_vars: whether to return the parameters themselves; by default they are detached.

        Returns:
            An OrderedDict whose tensors share memory with the module, and whose attribute `_metadata` holds
            each module's version.
        """
        # The arguments were positional in old code.
        given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
        destination = given.get("destination", destination)
        prefix, keep_vars = given.get("prefix", prefix), given.get("keep_vars", keep_vars)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            destination = destination if result is None else result
        return destination  # type: ignore[no-any-return]

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Stores this module's own entries (no submodules')."""
        for name, value in self._persistent_entries():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra_state():
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def _persistent_entries(self) -> list[tuple[str, Tensor | None]]:
        saved = [entry for entry in self._buffers.items() if entry[0] not in self._non_persistent_buffers_set]
        return [*self._parameters.items(), *saved]

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies parameters and buffers from `state_dict` into the module and its submodules.

        Args:
            state_dict: tensors under dotted names, as `state_dict()` returns them.
            strict: whether missing and unexpected names are an error.
            assign: whether to take the tensors themselves over instead of copying their values.

        Returns:
            A named tuple `(missing_keys, unexpected_keys)`.

        Raises:
            TypeError: `state_dict` is not a mapping.
            RuntimeError: names do not match (`strict`) or shapes differ. The message lists every missing,
                unexpected
                and mis-shaped name; the module is left unchanged.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        entries: Any = OrderedDict(state_dict)
        if metadata is not None:
            entries._metadata = metadata  # hooks may look at it
        load = _Load(metadata, assign)
        load.visit(self, entries, "")
        # Post-hooks may clear key errors, so with such errors they must come before the decision.
        hooks_first = strict and bool(load.missing or load.unexpected)
        if hooks_first:
            load.run_post_hooks()
        if strict:
            load.add_key_errors()
        if load.errors:
            details = "\n\t".join(load.errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {self._get_name()}:\n\t{details}")
        with no_grad():
            for task in load.tasks:
                task()
        if not hooks_first:
            load.run_post_hooks()
        return load.result

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Checks this module's own entries of `state_dict` and queues their assignment in
        `local_metadata`.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        tasks: list[Callable[[], Any]] = local_metadata["pending"]
        assign: bool = local_metadata["assign_to_params_buffers"]
        for name, target in self._persistent_entries():
            if target is None:
                continue
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            source = state_dict[key]
            if isinstance(source, Tensor) and source.dim() == 1 and target.dim() == 0 and len(source) == 1:
                source = source[0]  # scalars were saved with one dimension by old versions of PyTorch
            fault = _fault(key, source, target)
            if fault:
                error_msgs.append(fault)
            elif assign:
                tasks.append(lambda name=name, source=source: self._assign(name, source))  # type: ignore[misc]
            else:
                tasks.append(lambda target=target, source=source: target.copy_(source))  # type: ignore[misc]
        self._check_extra_state(state_dict, prefix, tasks, strict, missing_keys, unexpected_keys)
        if strict:
            unexpected_keys += self._unknown_keys(state_dict, prefix)

    def _assign(self, name: str, source: Tensor) -> None:
        target = self._parameters.get(name)
        if target is not None:
            if isinstance(source, Parameter):
                source.requires_grad_(target.requires_grad)
            else:
                source = Parameter(source, requires_grad=target.requires_grad)
        setattr(self, name, source)

    def _check_extra_state(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        tasks: list[Callable[[], Any]],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
    ) -> None:
        key = prefix + EXTRA_STATE
        if type(self).set_extra_state is not StateDictMixin.set_extra_state:
            if key in state_dict:
                tasks.append(lambda: self.set_extra_state(state_dict[key]))
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)

    def _unknown_keys(self, state_dict: dict[str, Any], prefix: str) -> list[str]:
        known = {name for name, value in self._persistent_entries() if value is not None}
        unknown = []
        for key in state_dict:
            if not key.startswith(prefix) or key == prefix + EXTRA_STATE:
                continue
            first, *rest = key[len(prefix) :].split(".", 1)
            if (first not in self._modules) if rest else (first not in known):
                unknown.append(key)
        return unknown

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before the module's state is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` after the state was collected; it may
        edit it.
        """

        def checked(*args: Any) -> None:
            if hook(*args) is not None:
                raise RuntimeError("state_dict post-hook must return None")

        return add_hook(self._state_dict_hooks, checked)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` before the module's entries are checked."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        if with_module:
            bound = hook
            hook = lambda *args: bound(self, *args)  # noqa: E731
        return add_hook(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after a load; it may edit the lists, for example clear
        them.
        """
        return add_hook(self._load_state_dict_post_hooks, hook)

    def _get_name(self) -> str:
        return type(self).__name__


class _Load:
    """One `load_state_dict` call: what was found and what remains to be done."""

    def __init__(self, metadata: Any, assign: bool) -> None:
        self.metadata, self.assign = metadata, assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.tasks: list[Callable[[], Any]] = []
        self.result = _IncompatibleKeys(self.missing, self.unexpected)
        self.post_hooks: list[tuple[Any, Callable[..., Any]]] = []

    def visit(self, module: Any, entries: dict[str, Any], prefix: str) -> None:
        local = dict({} if self.metadata is None else self.metadata.get(prefix[:-1], {}))
        local["assign_to_params_buffers"] = self.assign
        local["pending"] = self.tasks
        # `strict` is always True here: the lists are also the result of a load that is not strict.
        module._load_from_state_dict(entries, prefix, local, True, self.missing, self.unexpected, self.errors)
        for name, child in module._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                self.visit(child, {key: entries[key] for key in entries if key.startswith(path)}, path)
        self.post_hooks += [(module, hook) for hook in module._load_state_dict_post_hooks.values()]

    def add_key_errors(self) -> None:
        found = []
        for kind, keys in (("Missing", self.missing), ("Unexpected", self.unexpected)):
            if keys:
                listed = ", ".join(f'"{key}"' for key in keys)
                found.append(f"{kind} key(s) in state_dict: {listed}. ")
        self.errors[:0] = found

    def run_post_hooks(self) -> None:
        for module, hook in self.post_hooks:
            if hook(module, self.result) is not None:
                raise RuntimeError(
                    "load_state_dict: a post-hook must return None, edit the lists of incompatible keys in "
                    "place"
                )


def _fault(key: str, source: Any, target: Tensor) -> str:
    """What is wrong with a state-dict entry, or ""."""
    if not isinstance(source, Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
            f"checkpoint but received {type(source)}"
        )
    if tuple(source.shape) != tuple(target.shape):
        return (
            f"size mismatch for {key}: copying a param with shape {source.shape} from checkpoint, the shape "
            "in "
            f"current model is {target.shape}."
        )
    return ""
