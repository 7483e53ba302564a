from __future__ import annotations

import re

import pytest

import rushlight
from rushlight.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Letters(Dataset):
    def __init__(self, text: str) -> None:
        self.text = text

    def __getitem__(self, index):
        return self.text[index]

    def __len__(self) -> int:
        return len(self.text)


class Stream(IterableDataset):
    def __init__(self, *items) -> None:
        self.items = items

    def __iter__(self):
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def test_tensor_dataset_gives_rows():
    dataset = TensorDataset(rushlight.arange(6).reshape(3, 2), rushlight.tensor([7, 8, 9]))
    assert len(dataset) == 3
    row, label = dataset[-1]
    assert row.tolist() == [4, 5]
    assert label.item() == 9
    assert dataset[0:2][1].tolist() == [7, 8]


def test_tensor_dataset_refuses_what_does_not_fit():
    with raises(ValueError, "TensorDataset: tensors must have the same length, got [3, 2]"):
        TensorDataset(rushlight.zeros(3), rushlight.zeros(2, 5))
    with raises(ValueError, "TensorDataset: needs at least one tensor, got none"):
        TensorDataset()


def test_concat_reads_through_all_parts():
    joined = Letters("ab") + Letters("") + Letters("cde")
    assert "".join(joined[i] for i in range(len(joined))) == "abcde"
    assert joined[-1] == "e"
    assert joined[-5] == "a"
    nested = joined + Letters("f")
    assert isinstance(nested, ConcatDataset)
    assert nested[5] == "f"


@pytest.mark.parametrize("index", [5, -6])
def test_concat_refuses_an_index_outside(index):
    with raises(IndexError, f"ConcatDataset: index {index} is out of range for 5 items"):
        ConcatDataset([Letters("abc"), Letters("de")])[index]


def test_concat_refuses_streams_and_nothing():
    with raises(ValueError, "ConcatDataset: needs at least one dataset, got an empty list"):
        ConcatDataset([])
    with raises(
        ValueError, "ConcatDataset: dataset 1 is an IterableDataset, which has no index; use ChainDataset"
    ):
        ConcatDataset([Letters("a"), Stream(1)])


def test_chain_reads_streams_one_after_the_other():
    chained = Stream(1, 2) + Stream() + Stream(3)
    assert isinstance(chained, ChainDataset)
    assert list(chained) == [1, 2, 3]
    assert len(chained) == 3
    with raises(
        TypeError,
        "ChainDataset: dataset 0 must be an IterableDataset, got Letters; "
        "use ConcatDataset for datasets read by index",
    ):
        ChainDataset([Letters("a")])


def test_subset_of_a_subset():
    outer = Subset(Subset(Letters("abcdef"), [5, 3, 1]), [2, 0])
    assert len(outer) == 2
    assert [outer[0], outer[1]] == ["b", "f"]
    assert outer.__getitems__([1, 0, 1]) == ["f", "b", "f"]


def test_subset_reads_whole_batches_where_the_dataset_can():
    class Batched(Letters):
        def __getitems__(self, indices):
            return ["".join(self.text[i] for i in indices)]

    assert Subset(Batched("abcdef"), [4, 2, 0]).__getitems__([0, 2]) == ["ea"]


def test_base_classes_say_what_to_define():
    with raises(NotImplementedError, "Dataset: a Dataset must define __getitem__(index)"):
        Dataset()[0]
    with raises(NotImplementedError, "IterableDataset: an IterableDataset must define __iter__()"):
        iter(IterableDataset())


def split(lengths, seed=0, size=10):
    return random_split(range(size), lengths, rushlight.Generator().manual_seed(seed))


def test_random_split_covers_everything_once():
    parts = split([3, 7, 0])
    assert [len(part) for part in parts] == [3, 7, 0]
    assert sorted(i for part in parts for i in part.indices) == list(range(10))
    assert [part.indices for part in parts] == [part.indices for part in split([3, 7, 0])]
    assert parts[1].indices != split([3, 7, 0], seed=1)[1].indices


def test_random_split_by_fractions_gives_the_rest_to_the_first():
    assert [len(part) for part in split([0.3, 0.3, 0.4], size=11)] == [4, 3, 4]
    assert [len(part) for part in split([0.7, 0.2, 0.1])] == [7, 2, 1]
    with pytest.warns(UserWarning, match="part 1 has no item"):
        assert [len(part) for part in split([0.99, 0.01], size=3)] == [3, 0]


def test_random_split_refuses_lengths_that_do_not_add_up():
    with raises(
        ValueError, "random_split: lengths must add up to the dataset's length 10, got [3, 3], together 6"
    ):
        split([3, 3])
    with raises(
        ValueError, "random_split: lengths must be counts, or fractions that add up to 1, got [0.5, 0.4]"
    ):
        split([0.5, 0.4])
    with raises(ValueError, "random_split: fraction at index 0 must be between 0 and 1, got 1.5"):
        split([1.5, -0.5])
    with raises(
        ValueError, "random_split: lengths must be counts, or fractions that add up to 1, got [11, -1]"
    ):
        split([11, -1])
