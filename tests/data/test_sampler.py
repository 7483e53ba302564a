from __future__ import annotations

import collections
import re

import pytest

import rushlight
from rushlight.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def seeded(seed=0):
    return rushlight.Generator().manual_seed(seed)


def test_sequential_counts_up():
    sampler = SequentialSampler("abcd")
    assert list(sampler) == [0, 1, 2, 3]
    assert len(sampler) == 4
    assert list(SequentialSampler("")) == []


def test_random_is_a_permutation_that_the_generator_repeats():
    first = list(RandomSampler(range(50), generator=seeded()))
    assert sorted(first) == list(range(50))
    assert first == list(RandomSampler(range(50), generator=seeded()))
    assert first != list(RandomSampler(range(50), generator=seeded(1)))


def test_random_without_generator_follows_manual_seed_and_changes_every_epoch():
    sampler = RandomSampler(range(50))
    rushlight.manual_seed(3)
    one, two = list(sampler), list(sampler)
    assert one != two
    rushlight.manual_seed(3)
    assert [list(sampler), list(sampler)] == [one, two]


def test_random_draws_as_many_as_asked():
    more = list(RandomSampler(range(4), num_samples=10, generator=seeded()))
    assert [sorted(more[:4]), sorted(more[4:8]), len(more)] == [[0, 1, 2, 3], [0, 1, 2, 3], 10]
    assert len(list(RandomSampler(range(10), num_samples=3))) == 3
    repeated = RandomSampler(range(3), replacement=True, num_samples=200, generator=seeded())
    assert len(repeated) == 200
    assert set(repeated) == {0, 1, 2}
    assert list(RandomSampler("", replacement=True)) == list(RandomSampler("")) == []


def test_random_refuses_wrong_arguments():
    with raises(ValueError, "RandomSampler: num_samples must be a positive integer, got num_samples=0"):
        RandomSampler("ab", num_samples=0)
    with raises(TypeError, "RandomSampler: replacement must be a bool, got replacement=1"):
        RandomSampler("ab", replacement=1)


def test_subset_random_gives_each_index_once():
    sampler = SubsetRandomSampler([7, 3, 9], generator=seeded())
    assert sorted(sampler) == [3, 7, 9]
    assert len(sampler) == 3


def test_weighted_with_replacement_follows_the_weights():
    drawn = collections.Counter(WeightedRandomSampler([0, 1, 0, 3, 0], 4000, generator=seeded()))
    assert set(drawn) == {1, 3}
    assert 900 < drawn[1] < 1100


def test_weighted_without_replacement_never_repeats_and_prefers_the_heavy():
    first = collections.Counter()
    for seed in range(400):
        order = list(WeightedRandomSampler([1, 0, 3], 2, replacement=False, generator=seeded(seed)))
        assert sorted(order) == [0, 2]
        first[order[0]] += 1
    assert 260 < first[2] < 340


def test_weighted_refuses_wrong_arguments():
    with raises(
        ValueError, "WeightedRandomSampler: weights must be finite and not negative, got -1.0 at index 1"
    ):
        WeightedRandomSampler([1, -1], 1)
    with raises(
        ValueError, "WeightedRandomSampler: weights must be finite and not negative, got nan at index 0"
    ):
        WeightedRandomSampler([float("nan")], 1)
    with raises(ValueError, "WeightedRandomSampler: at least one weight must be positive"):
        WeightedRandomSampler([0, 0], 1)
    with raises(
        ValueError,
        "WeightedRandomSampler: cannot draw num_samples=2 without replacement from 1 positive weights",
    ):
        WeightedRandomSampler([0, 1], 2, replacement=False)
    with raises(
        ValueError, "WeightedRandomSampler: num_samples must be a positive integer, got num_samples=True"
    ):
        WeightedRandomSampler([1], True)


@pytest.mark.parametrize(
    ("drop_last", "batches"), [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])]
)
def test_batches(drop_last, batches):
    sampler = BatchSampler(SequentialSampler(range(7)), 3, drop_last)
    assert list(sampler) == batches
    assert len(sampler) == len(batches)


def test_batch_refuses_wrong_arguments():
    with raises(ValueError, "BatchSampler: batch_size must be a positive integer, got batch_size=0"):
        BatchSampler([], 0, False)
    with raises(ValueError, "BatchSampler: batch_size must be a positive integer, got batch_size=2.0"):
        BatchSampler([], 2.0, False)
    with raises(ValueError, "BatchSampler: drop_last must be a bool, got drop_last=None"):
        BatchSampler([], 2, None)


def test_base_class_says_what_to_define():
    with raises(NotImplementedError, "Sampler: a Sampler must define __iter__()"):
        iter(Sampler())
