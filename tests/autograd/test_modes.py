"""no_grad and its kin: as context managers, decorators, around generators, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

import rushlight as torch


def enabled() -> bool:
    return torch.is_grad_enabled()


def test_contexts_nest_and_restore() -> None:
    with torch.no_grad():
        assert not enabled()
        with torch.enable_grad():
            assert enabled()
            with torch.set_grad_enabled(False):
                assert not enabled()
            assert enabled()
        assert not enabled()
    assert enabled()


def test_contexts_restore_after_an_exception() -> None:
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert enabled()


def test_one_object_entered_twice() -> None:
    mode = torch.no_grad()
    with mode:
        with torch.enable_grad(), mode:
            assert not enabled()
        assert not enabled()
    assert enabled()


def test_nothing_is_recorded() -> None:
    a = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        b = a * 2
        fresh = torch.ones(2, requires_grad=True)
    assert not b.requires_grad
    assert b.grad_fn is None
    assert fresh.requires_grad


def test_set_grad_enabled_as_a_function() -> None:
    torch.set_grad_enabled(False)
    try:
        assert not enabled()
    finally:
        torch.set_grad_enabled(True)
    assert enabled()


@pytest.mark.parametrize(
    ("decorator", "inside"),
    [
        (torch.no_grad(), False),
        (torch.no_grad, False),
        (torch.inference_mode(), False),
        (torch.inference_mode, False),
        (torch.set_grad_enabled(True), True),
        (torch.enable_grad(), True),
    ],
)
def test_decorators(decorator: Callable[..., Callable[..., bool]], inside: bool) -> None:
    @decorator
    def plain(value: int, *, other: int = 0) -> tuple[bool, int]:
        """Kept."""
        return enabled(), value + other

    assert plain(1, other=2) == (inside, 3)
    assert enabled()
    assert plain.__name__ == "plain"
    assert plain.__doc__ == "Kept."


def test_decorating_with_set_grad_enabled_leaves_the_mode() -> None:
    @torch.set_grad_enabled(False)
    def inside() -> bool:
        return enabled()

    assert enabled()
    assert not inside()


def test_recursion_under_a_decorator() -> None:
    @torch.no_grad()
    def down(n: int) -> bool:
        return down(n - 1) if n else enabled()

    assert not down(3)
    assert enabled()


def test_generators_switch_only_while_they_run() -> None:
    @torch.no_grad()
    def numbers(log: list[object]) -> Iterator[int]:
        try:
            for n in range(3):
                assert not enabled()
                received = yield n
                log.append(received)
                assert not enabled()
        except KeyError as error:
            log.append(error.args[0])
            yield -1
        finally:
            log.append(enabled())
        return 9

    log: list[object] = []
    generator = numbers(log)
    assert next(generator) == 0
    assert enabled()
    assert generator.send("a") == 1
    assert generator.throw(KeyError("thrown")) == -1
    assert enabled()
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == 9
    assert log == ["a", "thrown", False]

    early: list[object] = []
    closing = numbers(early)
    next(closing)
    closing.close()
    assert early == [False]
    assert enabled()


def test_inference_mode() -> None:
    a = torch.ones(2, requires_grad=True)
    assert not torch.is_inference_mode_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not enabled()
        b = a * 2
        with torch.inference_mode(False):
            assert enabled()
            assert not torch.is_inference_mode_enabled()
        assert not enabled()
    assert b.is_inference()
    assert not b.requires_grad
    assert enabled()
    with torch.inference_mode(mode=False):
        assert (a * 2).requires_grad


def test_the_mode_belongs_to_the_thread() -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
