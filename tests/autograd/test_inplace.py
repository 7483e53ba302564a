"""In-place changes: versions, views, what is refused."""

from __future__ import annotations

import rushlight as torch
from tests.helpers import check_raises


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_saved_value_changed() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    out = (b * b).sum()  # saves b
    b.add_(1)  # changes b
    error = check_raises(out.backward, RuntimeError, "modified by an inplace operation")
    text = str(error)
    assert "MulBackward0" in text
    assert "version 1; expected version 0" in text


def test_the_error_shows_both_source_lines() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    out = (b * b).sum()  # saves b
    b.add_(1)  # changes b
    text = str(check_raises(out.backward, RuntimeError, "modified by an inplace operation"))
    assert "out = (b * b).sum()  # saves b" in text
    assert "b.add_(1)  # changes b" in text


def test_changing_what_is_not_saved_is_fine() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    c = b + 1  # saves nothing
    b.add_(1)
    (c * 3).sum().backward()
    assert a.grad.tolist() == [6.0, 6.0]


def test_a_result_that_backward_reads() -> None:
    a = leaf(1.0, 2.0)
    b = a.exp()
    b.mul_(2)
    check_raises(b.sum().backward, RuntimeError, "ExpBackward0|output 0")


def test_a_change_through_a_view_counts() -> None:
    a = leaf(1.0, 2.0)
    b = a * 1
    out = (b * b).sum()
    b[0] = 7.0
    check_raises(out.backward, RuntimeError, "modified by an inplace operation")


def test_a_change_of_the_leaf_under_no_grad_counts() -> None:
    a = leaf(1.0, 2.0)
    out = (a * a).sum()
    with torch.no_grad():
        a.add_(1)
    check_raises(out.backward, RuntimeError, "modified by an inplace operation")


def test_versions() -> None:
    a = torch.zeros(3)
    assert a._version == 0
    a.add_(1)
    a[0] = 5.0
    a.detach().mul_(2)
    assert a._version == 3
    assert a.clone()._version == 0


def test_leaves_are_refused() -> None:
    a = leaf(1.0, 2.0)
    check_raises(lambda: a.add_(1), RuntimeError, "a leaf Variable that requires grad")
    check_raises(lambda: a[0].add_(1), RuntimeError, "a view of a leaf Variable that requires grad")
    check_raises(
        lambda: a.__setitem__(0, 1.0), RuntimeError, "a (view of a )?leaf Variable that requires grad"
    )
    with torch.no_grad():
        a.add_(1)
    assert a.tolist() == [2.0, 3.0]


def test_history_moves_on() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    first = b.grad_fn
    b.mul_(3)
    assert b.grad_fn is not first
    assert b.grad_fn.name() == "MulBackward0"
    assert b.grad_fn.next_functions[0][0].name() == "MulBackward0"
    b.sum().backward()
    assert a.grad.tolist() == [6.0, 6.0]


def test_a_plain_tensor_enters_the_graph() -> None:
    a = leaf(1.0, 2.0)
    b = torch.zeros(2, dtype=torch.float64)
    b.add_(a)
    assert b.requires_grad
    b.mul_(a.detach())
    b.sum().backward()
    assert a.grad.tolist() == [1.0, 2.0]


def test_in_place_on_a_view_changes_the_base() -> None:
    a = leaf(1.0, 2.0, 3.0)
    b = a * 1
    view = b[1:]
    view.mul_(5)
    assert b.tolist() == [1.0, 10.0, 15.0]
    assert b.grad_fn.name() == "CopySlices"
    assert view.grad_fn.name() in ("AsStridedBackward0", "SliceBackward0")
    (b * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)).sum().backward()
    assert a.grad.tolist() == [1.0, 10.0, 15.0]


def test_in_place_on_the_base_changes_the_view() -> None:
    a = leaf(1.0, 2.0, 3.0)
    b = a * 1
    view = b[1:]
    b.mul_(5)
    view.sum().backward()
    assert a.grad.tolist() == [0.0, 5.0, 5.0]


def test_writing_a_differentiable_value_into_a_slice() -> None:
    a = leaf(1.0, 2.0, 3.0)
    w = leaf(4.0)
    b = a * 2
    b[1:2] = w * w
    b.sum().backward()
    assert a.grad.tolist() == [2.0, 0.0, 2.0]
    assert w.grad.tolist() == [8.0]


def test_writing_into_a_plain_buffer() -> None:
    w = leaf(4.0, 5.0)
    buffer = torch.zeros(2, 3, dtype=torch.float64)
    buffer[:, 1] = w
    buffer[0] *= 3
    buffer.sum().backward()
    assert w.grad.tolist() == [3.0, 1.0]


def test_view_of_a_view() -> None:
    a = leaf(1.0, 2.0, 3.0, 4.0)
    b = (a * 1).reshape(2, 2)
    b[1][0].mul_(10)
    assert b._base is not None
    b.sum().backward()
    assert a.grad.tolist() == [1.0, 1.0, 10.0, 1.0]


def test_two_views_see_each_other() -> None:
    a = leaf(1.0, 2.0)
    b = a * 1
    first, second = b[:], b.view(2)
    first.mul_(3)
    second.sum().backward()
    assert a.grad.tolist() == [3.0, 3.0]


def test_double_backward_through_copy_slices() -> None:
    a = leaf(1.0, 2.0, 3.0)

    def fn(x: torch.Tensor) -> torch.Tensor:
        y = x * x
        y[1:].mul_(x[:2])
        return y

    assert torch.autograd.gradcheck(fn, [a])
    assert torch.autograd.gradgradcheck(fn, [a])


def test_outputs_of_multi_view_functions_are_refused() -> None:
    a = leaf(1.0, 2.0)
    first, _ = (a * 1).split(1)
    check_raises(lambda: first.mul_(2), RuntimeError, "multiple views")


def test_views_made_without_grad_are_refused() -> None:
    b = leaf(1.0, 2.0) * 1
    with torch.no_grad():
        view = b[:1]
    check_raises(lambda: view.mul_(2), RuntimeError, "no_grad")


def test_expanded_tensors_are_refused() -> None:
    wide = torch.zeros(1).expand(3)
    check_raises(lambda: wide.add_(1), RuntimeError, "single memory location")


def test_detach_shares_the_version() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    out = (b * b).sum()
    b.detach().add_(1)
    check_raises(out.backward, RuntimeError, "modified by an inplace operation")


def test_no_grad_writes_keep_the_history() -> None:
    a = leaf(1.0, 2.0)
    b = a * 2
    with torch.no_grad():
        b.add_(5)
    assert b.grad_fn.name() == "MulBackward0"
    b.sum().backward()
    assert a.grad.tolist() == [2.0, 2.0]


def test_inference_tensors_are_refused() -> None:
    with torch.inference_mode():
        frozen = torch.ones(2)
        frozen.add_(1)
    assert frozen.is_inference()
    check_raises(lambda: frozen.add_(1), RuntimeError, "(?i)inference tensor outside InferenceMode")
    a = torch.ones(2, requires_grad=True)
    check_raises(lambda: a * frozen, RuntimeError, "(?i)inference tensors cannot be saved for backward")
    assert (a * frozen.clone()).requires_grad
    check_raises(frozen.requires_grad_, RuntimeError, "(?i)inference")
