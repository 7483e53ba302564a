from __future__ import annotations

import collections
import re
from types import MappingProxyType

import numpy
import pytest

import rushlight
from rushlight.utils.data import default_collate, default_convert

Point = collections.namedtuple("Point", "x y")


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def check(result, values, dtype):
    assert result.dtype is dtype
    assert result.tolist() == values


def test_tensors_are_stacked():
    check(
        default_collate([rushlight.tensor([1, 2]), rushlight.tensor([3, 4])]),
        [[1, 2], [3, 4]],
        rushlight.int64,
    )
    check(default_collate([rushlight.tensor(1.5), rushlight.tensor(2.5)]), [1.5, 2.5], rushlight.float32)
    assert default_collate([rushlight.zeros(0, 3)] * 2).shape == (2, 0, 3)


def test_numbers_become_tensors():
    check(default_collate([1, 2]), [1, 2], rushlight.int64)
    check(default_collate([0.5, 2]), [0.5, 2.0], rushlight.float64)
    check(default_collate([True, False]), [True, False], rushlight.bool)


@pytest.mark.parametrize("name", ["float32", "float64", "int64", "int32", "int16", "uint8", "bool"])
def test_numpy_keeps_its_dtype(name):
    dtype = getattr(rushlight, name)
    check(default_collate([numpy.ones(2, name)] * 2), [[1, 1], [1, 1]], dtype)
    check(default_collate([numpy.ones((), name)[()]] * 3), [1, 1, 1], dtype)
    check(default_collate([numpy.ones((), name)] * 2), [1, 1], dtype)


def test_numpy_views_of_any_stride():
    check(default_collate([numpy.arange(4)[::-2]] * 2), [[3, 1], [3, 1]], rushlight.int64)


def test_strings_stay_a_list():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]


def test_structures_are_collated_field_by_field():
    images, labels = default_collate([(rushlight.zeros(3), 1), (rushlight.ones(3), 2)])
    assert images.shape == (2, 3)
    assert labels.tolist() == [1, 2]
    assert type(default_collate([(1, 2)])) is list

    point = default_collate([Point(1, [2.0, "a"]), Point(3, [4.0, "b"])])
    assert type(point) is Point
    assert point.x.tolist() == [1, 3]
    assert [point.y[0].tolist(), point.y[1]] == [[2.0, 4.0], ["a", "b"]]

    ordered = default_collate([collections.OrderedDict(a=1, b={"c": 2})] * 2)
    assert type(ordered) is collections.OrderedDict
    assert [ordered["a"].tolist(), ordered["b"]["c"].tolist()] == [[1, 1], [2, 2]]

    frozen = default_collate([MappingProxyType({"a": 1})] * 2)
    assert type(frozen) is MappingProxyType
    assert frozen["a"].tolist() == [1, 1]


def test_collate_leaves_the_samples_alone():
    samples = [{"a": [1, 2]}, {"a": [3, 4]}]
    default_collate(samples)
    assert samples == [{"a": [1, 2]}, {"a": [3, 4]}]


def test_a_range_falls_back_to_a_list():
    columns = default_collate([range(2), range(2)])
    assert [column.tolist() for column in columns] == [[0, 0], [1, 1]]


def test_errors_name_what_came():
    with raises(ValueError, "default_collate: needs at least one sample, got an empty list"):
        default_collate([])
    with raises(
        RuntimeError,
        "default_collate: the samples of a batch must have one shape, "
        "got (2,) at entry 0 and (3,) at entry 1; resize or crop them alike, "
        "or give the DataLoader a collate_fn",
    ):
        default_collate([rushlight.zeros(2), rushlight.zeros(3)])
    with raises(
        RuntimeError,
        "default_collate: each element in list of batch should be of equal size, got lengths [1, 2]; "
        "give the DataLoader a collate_fn that pads or groups them",
    ):
        default_collate([[1], [1, 2]])
    found = (
        "default_collate: samples must hold tensors, numpy arrays, numbers, strings, dicts or sequences; "
        "found "
    )
    with raises(TypeError, found + "builtins.NoneType"):
        default_collate([None, None])
    with raises(TypeError, found + "a numpy ndarray of <U1"):
        default_collate([numpy.array(["a"])] * 2)
    image = pytest.importorskip("PIL.Image").new("RGB", (2, 2))
    with raises(TypeError, found + "PIL.Image.Image (give the dataset transform=ToTensor())"):
        default_collate([image])


def test_convert_turns_arrays_into_tensors_and_keeps_the_rest():
    tensor = rushlight.zeros(1)
    assert default_convert(tensor) is tensor
    assert default_convert("text") == "text"
    assert default_convert(3) == 3
    check(default_convert(numpy.ones(2, "float32")), [1, 1], rushlight.float32)
    point = default_convert(Point(numpy.zeros(1), {"a": [numpy.ones(1)]}))
    assert type(point) is Point
    check(point.y["a"][0], [1.0], rushlight.float64)
    assert default_convert(numpy.array(["a"])).tolist() == ["a"]
