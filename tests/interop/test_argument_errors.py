"""What a call with arguments of the wrong types or names says."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

A = torch.ones(2, 3)


CALLS = {
    "add(): argument 'other' (position 2) must be Tensor | float | int | bool, not str 'x'; expected:\n": (
        lambda: torch.add(A, "x")
    ),
    "add(): unknown argument 'alhpa' (did you mean 'alpha'?); expected:\n": lambda: torch.add(A, A, alhpa=2),
    "relu(): argument 'input' is missing; expected:\n  relu(input: Tensor)": lambda: torch.relu(),
    "relu(): 2 positional arguments given, at most 1 are taken; expected:": lambda: torch.relu(A, A),
    "relu(): argument 'input' given by position and by name": lambda: torch.relu(A, input=A),
    "matmul(): argument 'other' (position 2) must be Tensor, not int 3": lambda: torch.matmul(A, 3),
    "sum(): argument 'input' (position 1) must be Tensor, not ndarray": lambda: torch.sum(np.ones(3)),
    "sum(): argument 'dim' must be int | tuple[int, ...] | None, not str 'x'": lambda: A.sum(dim="x"),
    "sum(): argument 'dim' must be int | tuple[int, ...] | None, not float 1.5": lambda: A.sum(dim=1.5),
    "cat(): argument 'tensors' (position 1) must be Sequence[Tensor], not list of Tensor, int": (
        lambda: torch.cat([A, 1])
    ),
    "zeros(): argument 'dtype' must be dtype | None, not str 'float32'": lambda: torch.zeros(
        2, dtype="float32"
    ),
    "conv2d(): argument 'weight' (position 2) must be Tensor, not None": lambda: F.conv2d(A, None),
    "conv2d(): argument 'groups' must be int, not float 1.5": lambda: F.conv2d(A, A, groups=1.5),
}


@pytest.mark.parametrize("text", CALLS)
def test_the_message_names_the_argument(text):
    with pytest.raises(TypeError, match="^" + re.escape(text)) as raised:
        CALLS[text]()
    assert "Invoked with" not in str(raised.value)
    assert "typing." not in str(raised.value)


def test_a_long_value_is_not_printed():
    with pytest.raises(TypeError, match="must be Tensor, not str;") as raised:
        torch.relu("x" * 100)
    assert "xx" not in str(raised.value)


def test_an_error_of_an_op_itself_passes_unchanged():
    with pytest.raises(TypeError, match=r"^zeros\(\): expected ints or one tuple of ints, got \('a',\)$"):
        torch.zeros("a")


def test_operators_leave_unknown_types_to_the_other_side():
    class Other:
        def __radd__(self, left):
            return "theirs"

    assert A + Other() == "theirs"
    with pytest.raises(TypeError, match="unsupported operand"):
        A + "x"


def test_an_argument_whose_attributes_raise_gives_its_own_error():
    class Hostile:
        def __getattr__(self, name):
            raise KeyError(name)

    with pytest.raises((TypeError, KeyError)):
        torch.relu(Hostile())
    assert torch.relu(A).sum().item() == 6
