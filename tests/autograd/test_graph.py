"""The graph and backward: nodes, accumulation, roots, inputs, higher derivatives."""

from __future__ import annotations

import pytest

import rushlight as torch
from tests.helpers import check_raises


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def names(node: torch.autograd.graph.Node | None) -> list[object]:
    """Names along the first input of every node, down to the leaf."""
    found: list[object] = []
    while node is not None:
        found.append(node.name())
        node = node.next_functions[0][0] if node.next_functions else None
    return found


def test_leaves_and_results() -> None:
    a = leaf(2.0, 3.0)
    b = torch.tensor([6.0, 4.0], dtype=torch.float64)
    q = 3 * a**3 - b**2
    assert a.is_leaf
    assert a.grad_fn is None
    assert b.is_leaf
    assert not b.requires_grad
    assert not q.is_leaf
    assert q.requires_grad
    assert q.grad_fn.name() == "SubBackward0"
    (mul, first), (none, second) = q.grad_fn.next_functions
    assert (mul.name(), first, none, second) == ("MulBackward0", 0, None, 0)
    assert names(q.grad_fn) == ["SubBackward0", "MulBackward0", "PowBackward0", "AccumulateGrad"]


def test_the_accumulate_node_knows_its_leaf() -> None:
    a = leaf(1.0)
    ((node, _), _) = (a * a).grad_fn.next_functions
    assert node.name() == "AccumulateGrad"
    assert node.variable is a


def test_a_node_names_its_result_number() -> None:
    a = torch.ones(4, 3, requires_grad=True)
    values, indices = a.max(dim=1)
    first, second = a.split(2)
    assert (values.output_nr, first.output_nr, second.output_nr) == (0, 0, 1)
    assert first.grad_fn.name() == "SplitBackward0"
    assert not indices.requires_grad
    assert second.sum().grad_fn.next_functions[0][1] == 1


def test_tutorial_example() -> None:
    a, b = leaf(2.0, 3.0), leaf(6.0, 4.0)
    q = 3 * a**3 - b**2
    q.backward(gradient=torch.tensor([1.0, 1.0], dtype=torch.float64))
    assert a.grad.tolist() == [36.0, 81.0]
    assert b.grad.tolist() == [-12.0, -8.0]


def test_backward_accumulates() -> None:
    a = leaf(1.0, 2.0)
    (a * a).sum().backward()
    (a * 3).sum().backward()
    assert a.grad.tolist() == [5.0, 7.0]
    a.grad = None
    (a * 3).sum().backward()
    assert a.grad.tolist() == [3.0, 3.0]


def test_one_tensor_used_often() -> None:
    a = leaf(2.0)
    b = a * 3
    (b * b + b + a).sum().backward()
    assert a.grad.tolist() == [2 * 6 * 3 + 3 + 1]


def test_accumulated_gradient_is_the_same_object() -> None:
    a = leaf(1.0)
    a.sum().backward()
    first = a.grad
    a.sum().backward()
    assert a.grad is first
    assert first.tolist() == [2.0]


def test_gradients_of_two_leaves_do_not_share_memory() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    a.grad.mul_(10)
    assert b.grad.tolist() == [1.0, 1.0]


def test_the_gradient_given_stays_untouched() -> None:
    a = leaf(1.0, 2.0)
    start = torch.ones(2, dtype=torch.float64)
    (a + 0).backward(start)
    (a + 0).backward(start)
    assert start.tolist() == [1.0, 1.0]
    assert a.grad.tolist() == [2.0, 2.0]


def test_several_roots() -> None:
    a = leaf(2.0)
    b = a * a
    torch.autograd.backward([b.sum(), (b * a).sum()])
    assert a.grad.tolist() == [4.0 + 12.0]
    x = leaf(1.0, 2.0)
    torch.autograd.backward([x * 2, x.sum()], [torch.ones(2, dtype=torch.float64), None])
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_root_may_be_a_leaf_or_lie_inside_another_roots_graph() -> None:
    a = leaf(3.0)
    b = a * a
    torch.autograd.backward([a, b, b * 2], [torch.ones(1, dtype=torch.float64)] * 3)
    assert a.grad.tolist() == [1 + 6 + 12]


def test_retain_graph() -> None:
    a = leaf(1.0, 2.0)
    out = (a * a).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert a.grad.tolist() == [4.0, 8.0]
    check_raises(out.backward, RuntimeError, "Trying to backward through the graph a second time")
    a.grad = None
    out = (a + a).sum()  # nothing is saved: nothing can be missing
    out.backward()
    out.backward()
    assert a.grad.tolist() == [4.0, 4.0]


def test_second_backward_error_names_op_and_line() -> None:
    a = leaf(1.0, 2.0)
    out = (a * a).sum()  # this line
    out.backward()
    error = check_raises(out.backward, RuntimeError, "Specify retain_graph=True")
    assert "MulBackward0" in str(error)
    assert "out = (a * a).sum()  # this line" in str(error)


def test_inputs() -> None:
    a, b = leaf(1.0), leaf(2.0)
    c = a * b
    (c * c).sum().backward(inputs=[a])
    assert a.grad.tolist() == [8.0]
    assert b.grad is None
    (a * b * 2).sum().backward(inputs=b)
    assert b.grad.tolist() == [2.0]
    check_raises(lambda: (a * b).sum().backward(inputs=[]), RuntimeError, "cannot be empty")


def test_inputs_may_be_results() -> None:
    a = leaf(3.0)
    b = a * 2
    (b * b).sum().backward(inputs=[b, a])
    assert a.grad.tolist() == [24.0]
    assert b.grad.tolist() == [12.0]


def test_grad() -> None:
    a, b = leaf(2.0), leaf(5.0)
    c = a * b
    d = c * c
    assert [g.tolist() for g in torch.autograd.grad(d, [c, a, b])] == [[20.0], [100.0], [40.0]]
    assert a.grad is None
    (same,) = torch.autograd.grad(c, c)
    assert same.tolist() == [1.0]
    (twice,) = torch.autograd.grad([a * 2, a * 3], a)
    assert twice.tolist() == [5.0]


def test_grad_of_unused_inputs() -> None:
    a, b = leaf(2.0), leaf(5.0)
    check_raises(
        lambda: torch.autograd.grad(a.sum(), [a, b]), RuntimeError, "not have been used in the graph"
    )
    assert torch.autograd.grad(a.sum(), [a, b], allow_unused=True)[1] is None
    assert torch.autograd.grad(a.sum(), b, materialize_grads=True)[0].tolist() == [0.0]
    check_raises(
        lambda: torch.autograd.grad(a.sum(), b, allow_unused=False, materialize_grads=True),
        ValueError,
        "allow_unused",
    )


def test_higher_derivatives() -> None:
    a = leaf(2.0)
    value = a**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (value,) = torch.autograd.grad(value.sum(), a, create_graph=True)
        assert value.tolist() == [expected]


def test_create_graph_accumulates_differentiably() -> None:
    a = leaf(3.0)
    (a**3).sum().backward(create_graph=True)
    assert a.grad.requires_grad
    penalty = (a.grad**2).sum()
    (second,) = torch.autograd.grad(penalty, a)
    assert second.tolist() == [2 * 27.0 * 18.0]
    a.grad = None  # otherwise leaf and gradient keep each other alive


def test_without_create_graph_nothing_is_recorded() -> None:
    a = leaf(3.0)
    (a**3).sum().backward()
    assert not a.grad.requires_grad
    assert a.grad.grad_fn is None


def test_bad_roots() -> None:
    plain = torch.ones(2)
    a = torch.ones(2, requires_grad=True)
    check_raises(plain.sum().backward, RuntimeError, "element 0 of tensors does not require grad")
    check_raises((a * 2).backward, RuntimeError, "implicitly created only for scalar outputs")
    check_raises(lambda: (a * 2).backward(torch.ones(3)), RuntimeError, r"Mismatch in shape.*3.*2")
    check_raises(lambda: torch.autograd.grad(a.sum(), plain), RuntimeError, "does not require grad")
    check_raises(lambda: torch.autograd.backward(a.sum(), [1.0]), TypeError, "float")
    check_raises(lambda: torch.autograd.grad(a.sum(), []), RuntimeError, "cannot be empty")
    check_raises(lambda: a.sum().backward(3), TypeError, "gradient must be a Tensor or None, not int")
    check_raises(lambda: torch.autograd.backward(1.0), TypeError, "must be a Tensor or several, not float")
    check_raises(
        lambda: torch.autograd.grad(a.sum(), [a, 2]),
        TypeError,
        "inputs must be Tensors, but number 1 is .* int",
    )


def test_a_gradient_of_another_float_type_is_converted() -> None:
    a = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (a * 2).backward(torch.ones(2, dtype=torch.float32))
    assert a.grad.dtype == torch.float64


def test_gradients_cross_dtype_conversions() -> None:
    a = torch.ones(2, dtype=torch.float32, requires_grad=True)
    (a.double() * 3).sum().backward()
    assert a.grad.dtype == torch.float32
    b = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    (b * torch.ones(2, dtype=torch.float32)).sum().backward()
    assert b.grad.dtype == torch.bfloat16


def test_requires_grad_rules() -> None:
    a = leaf(1.0)
    b = a * 2
    check_raises(lambda: b.requires_grad_(False), RuntimeError, "leaf variables")
    assert b.requires_grad_() is b
    check_raises(lambda: torch.tensor([1]).requires_grad_(), RuntimeError, "floating point")
    check_raises(lambda: setattr(b, "requires_grad", False), RuntimeError, "leaf variables")
    a.requires_grad = False
    assert not (a * 2).requires_grad


def test_assigning_grad_checks_shape_and_dtype() -> None:
    a = leaf(1.0, 2.0)
    a.grad = torch.ones(2, dtype=torch.float64)
    (a * 1).sum().backward()
    assert a.grad.tolist() == [2.0, 2.0]
    check_raises(lambda: setattr(a, "grad", torch.ones(3, dtype=torch.float64)), RuntimeError, "size")
    check_raises(lambda: setattr(a, "grad", torch.ones(2)), RuntimeError, "type|dtype")
    check_raises(lambda: setattr(a, "grad", 1.0), TypeError, "Tensor|grad")


def test_retain_grad() -> None:
    a = leaf(2.0)
    b = a * 3
    b.retain_grad()
    assert b.retains_grad
    (b * b).sum().backward()
    assert b.grad.tolist() == [12.0]
    a.retain_grad()  # no effect on leaves
    assert not a.retains_grad
    check_raises(torch.ones(1).retain_grad, RuntimeError, "retain_grad")


def test_non_leaf_has_no_grad() -> None:
    a = leaf(2.0)
    b = a * 3
    b.sum().backward()
    with pytest.warns(UserWarning, match=r"not a leaf Tensor is being accessed.*retain_grad"):
        assert b.grad is None


def test_detach() -> None:
    a = leaf(2.0)
    b = (a * 3).detach()
    assert not b.requires_grad
    assert b.is_leaf
    (a * b).sum().backward()
    assert a.grad.tolist() == [6.0]
    c = a * 3
    assert c.detach_() is c
    assert not c.requires_grad
    assert c.grad_fn is None
    view = (a * 2)[0:1]
    check_raises(view.detach_, RuntimeError, "views")


def test_nan_is_reported_by_anomaly_mode() -> None:
    a = leaf(0.0)
    with pytest.warns(UserWarning, match="Anomaly Detection"):
        mode = torch.autograd.detect_anomaly()
    with mode:
        out = torch.sqrt(a) * 0  # this line
        check_raises(out.sum().backward, RuntimeError, "SqrtBackward0.*returned nan values in its 0th output")
    out = (torch.sqrt(a) * 0).sum()
    out.backward()
    assert a.grad.isnan().all()
    with torch.autograd.set_detect_anomaly(True):
        check_raises((torch.sqrt(a) * 0).sum().backward, RuntimeError, "nan values")
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        (torch.sqrt(a) * 0).sum().backward()
