from __future__ import annotations

import gc
import re
import threading
import time
import traceback

import pytest

import rushlight
from rushlight.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    get_worker_info,
)


class Squares(Dataset):
    def __init__(
        self, size: int = 10, fail_at: int | None = None, error: type[BaseException] = OSError
    ) -> None:
        self.size, self.fail_at, self.error = size, fail_at, error

    def __getitem__(self, index: int) -> int:
        if index == self.fail_at:
            raise self.error(f"item {index} is broken")
        return index * index

    def __len__(self) -> int:
        return self.size


class Shared(IterableDataset):
    """0..size-1, shared out between the workers."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(first, self.size, step))

    def __len__(self) -> int:
        return self.size


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


def seeded(seed=0):
    return rushlight.Generator().manual_seed(seed)


def lists(loader):
    return [batch.tolist() for batch in loader]


def flat(batches):
    return [item for batch in batches for item in batch]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("rushlight-loader")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert loader_threads() == []


workers = pytest.mark.parametrize("num_workers", [0, 1, 3])


@workers
def test_order_batches_and_length(num_workers):
    loader = DataLoader(Squares(10), 4, num_workers=num_workers)
    assert lists(loader) == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]
    assert len(loader) == 3
    assert lists(loader) == lists(loader)
    dropping = DataLoader(Squares(10), 4, drop_last=True, num_workers=num_workers)
    assert [len(dropping), len(lists(dropping))] == [2, 2]


@workers
def test_an_empty_dataset_gives_no_batch(num_workers):
    assert lists(DataLoader(Squares(0), 4, num_workers=num_workers)) == []


@workers
def test_slow_items_do_not_change_the_order(num_workers):
    class Uneven(Squares):
        def __getitem__(self, index):
            time.sleep(0.004 if index % 3 == 0 else 0)
            return index

    assert flat(lists(DataLoader(Uneven(20), 2, num_workers=num_workers))) == list(range(20))


def test_shuffled_order_does_not_depend_on_workers():
    orders = [
        lists(DataLoader(Squares(20), 3, shuffle=True, num_workers=n, generator=seeded())) for n in (0, 1, 3)
    ]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(flat(orders[0])) == [i * i for i in range(20)]
    assert orders[0] != lists(DataLoader(Squares(20), 3, shuffle=True, generator=seeded(1)))


def test_every_epoch_is_shuffled_anew():
    loader = DataLoader(Squares(30), 5, shuffle=True, generator=seeded())
    assert lists(loader) != lists(loader)


def test_manual_seed_repeats_the_epochs():
    loader = DataLoader(Squares(30), 5, shuffle=True)
    rushlight.manual_seed(5)
    first = [lists(loader), lists(loader)]
    rushlight.manual_seed(5)
    assert [lists(loader), lists(loader)] == first


@workers
def test_samplers_and_batching_off(num_workers):
    dataset = Squares(10)
    assert lists(DataLoader(dataset, 2, sampler=[3, 1, 2], num_workers=num_workers)) == [[9, 1], [4]]
    assert lists(DataLoader(dataset, batch_sampler=[[1], [2, 3]], num_workers=num_workers)) == [[1], [4, 9]]
    assert list(DataLoader(dataset, batch_size=None, num_workers=num_workers)) == [i * i for i in range(10)]


@workers
def test_collate_fn_is_used(num_workers):
    loader = DataLoader(Squares(5), 2, collate_fn=tuple, num_workers=num_workers)
    assert list(loader) == [(0, 1), (4, 9), (16,)]


def test_getitems_reads_a_batch_at_once():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [tuple(indices)]

    assert list(DataLoader(Batched(3), 2, collate_fn=list)) == [[(0, 1)], [(2,)]]


@pytest.mark.parametrize("num_workers", [0, 1, 2, 5])
@pytest.mark.parametrize("size", [0, 1, 7, 12])
def test_streams_are_shared_out(num_workers, size):
    loader = DataLoader(Shared(size), 2, num_workers=num_workers)
    assert sorted(flat(lists(loader))) == list(range(size))
    assert lists(loader) == lists(loader)
    single = DataLoader(Shared(size), batch_size=None, num_workers=num_workers)
    assert sorted(single) == list(range(size))


def test_streams_end_at_full_batches_where_asked():
    assert lists(DataLoader(Shared(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(DataLoader(Shared(5), 2, drop_last=True)) == 2
    assert len(DataLoader(Shared(5), 2)) == 3
    assert len(DataLoader(Shared(5), None)) == 5


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_an_error_reaches_the_consumer_as_it_was(num_workers):
    loader = DataLoader(Squares(10, fail_at=5), 2, num_workers=num_workers)
    batches = iter(loader)
    assert [next(batches).tolist(), next(batches).tolist()] == [[0, 1], [4, 9]]
    with pytest.raises(OSError) as caught:
        next(batches)
    assert str(caught.value) == "item 5 is broken"
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert 'raise self.error(f"item {index} is broken")' in {frame.line for frame in frames}
    if num_workers and hasattr(caught.value, "__notes__"):
        worker = 2 % num_workers
        assert caught.value.__notes__ == [
            f"raised in DataLoader worker thread {worker}, while making batch 2"
        ]
    assert lists(batches) == [[36, 49], [64, 81]]  # the ones after it still come


@workers
def test_stop_iteration_in_a_dataset_does_not_end_the_loop_silently(num_workers):
    with pytest.raises(RuntimeError) as caught:
        list(DataLoader(Squares(6, fail_at=3, error=StopIteration), 2, num_workers=num_workers))
    assert str(caught.value) == "DataLoader: the dataset raised StopIteration for index [2, 3]"


def test_an_error_in_worker_init_reaches_the_consumer():
    def init(worker: int) -> None:
        raise LookupError(f"no device {worker}")

    with pytest.raises(LookupError) as caught:
        list(DataLoader(Squares(4), num_workers=2, worker_init_fn=init))
    assert str(caught.value) == "no device 0"


def test_worker_info():
    assert get_worker_info() is None
    seen: dict[int, int] = {}
    started = []

    class Probe(Squares):
        def __getitem__(self, index):
            info = get_worker_info()
            assert info.dataset is self
            assert info.num_workers == 2
            seen[index] = info.id
            return [info.seed, int(rushlight.randint(0, 10**9, (), generator=info.generator).item())]

    def run():
        loader = DataLoader(Probe(8), 2, num_workers=2, worker_init_fn=started.append, generator=seeded())
        return [[seeds.tolist(), numbers.tolist()] for seeds, numbers in loader]

    batches = run()
    assert batches == run()
    assert seen == {0: 0, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 1, 7: 1}
    assert sorted(started) == [0, 0, 1, 1]
    first, second = batches[0][0][0], batches[1][0][0]
    assert second == first + 1
    assert len({number for _, numbers in batches for number in numbers}) == 8
    assert get_worker_info() is None


def test_leaving_early_ends_the_threads():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(0.01)
            return index

    for _ in DataLoader(Slow(10**6), 2, num_workers=3):
        assert len(loader_threads()) == 3
        break
    assert loader_threads() == []
    abandoned = iter(DataLoader(Slow(10**6), 2, num_workers=3))
    next(abandoned)
    del abandoned
    assert loader_threads() == []


def test_two_passes_at_once():
    loader = DataLoader(Squares(10), 2, num_workers=2)
    assert [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)] == [
        (batch, batch) for batch in lists(loader)
    ]


def test_persistent_workers_are_the_same_threads():
    names = set()

    class Probe(Squares):
        def __getitem__(self, index):
            names.add(threading.get_ident())
            return index

    loader = DataLoader(Probe(8), 2, num_workers=2, persistent_workers=True)
    for _ in range(3):
        assert flat(lists(loader)) == list(range(8))
    assert len(names) == len(loader_threads()) == 2
    next(iter(loader))  # an abandoned epoch leaves them usable
    assert flat(lists(loader)) == list(range(8))
    del loader
    deadline = time.monotonic() + 5
    while loader_threads() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_timeout_names_the_batch():
    release = threading.Event()

    class Stuck(Squares):
        def __getitem__(self, index):
            if index == 1:
                release.wait(10)
            return index

    batches = iter(DataLoader(Stuck(4), 1, num_workers=1, timeout=0.05))
    next(batches)
    try:
        with raises(
            RuntimeError,
            "DataLoader: timed out after 0.05 seconds waiting for batch 1; "
            "give it a longer timeout, or find out why the dataset is slow",
        ):
            next(batches)
    finally:
        release.set()
    assert next(batches).tolist() == [1]


def test_a_training_batch_of_tensors():
    dataset = TensorDataset(rushlight.arange(12).reshape(6, 2), rushlight.arange(6))
    for (plain, label), (threaded, same) in zip(
        DataLoader(dataset, 4), DataLoader(dataset, 4, num_workers=2, pin_memory=True), strict=True
    ):
        assert plain.tolist() == threaded.tolist()
        assert label.tolist() == same.tolist()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"num_workers": -1}, ValueError, "num_workers must not be negative, got -1; 0 means no threads"),
        ({"num_workers": 1.5}, TypeError, "num_workers must be an integer, got 1.5"),
        ({"timeout": -1}, ValueError, "timeout must not be negative, got -1; 0 waits for ever"),
        ({"timeout": "x"}, TypeError, "timeout must be a number of seconds, got 'x'"),
        ({"timeout": 3}, ValueError, "timeout=3 needs num_workers > 0, got num_workers=0"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor=2 needs num_workers > 0, got num_workers=0"),
        (
            {"num_workers": 1, "prefetch_factor": 0},
            ValueError,
            "prefetch_factor must be a positive integer, got 0",
        ),
        (
            {"persistent_workers": True},
            ValueError,
            "persistent_workers=True needs num_workers > 0, got num_workers=0",
        ),
        (
            {"sampler": [0], "shuffle": True},
            ValueError,
            "sampler excludes shuffle=True: the sampler decides the order",
        ),
        (
            {"batch_size": None, "drop_last": True},
            ValueError,
            "batch_size=None turns batching off and excludes drop_last=True",
        ),
        (
            {"batch_sampler": [[0]], "batch_size": 2},
            ValueError,
            (
                "batch_sampler excludes batch_size, shuffle, sampler and drop_last, "
                "got batch_size=2, shuffle=None, sampler=None, drop_last=False"
            ),
        ),
    ],
)
def test_wrong_options(options, error, text):
    with raises(error, "DataLoader: " + text):
        DataLoader(Squares(), **options)


def test_wrong_batch_size():
    with raises(ValueError, "BatchSampler: batch_size must be a positive integer, got batch_size=0"):
        DataLoader(Squares(), batch_size=0)


@pytest.mark.parametrize(("name", "value"), [("shuffle", True), ("sampler", [0]), ("batch_sampler", [[0]])])
def test_streams_exclude_orders(name, value):
    with raises(
        ValueError,
        f"DataLoader: an IterableDataset decides its own order and excludes {name}, got {name}={value}",
    ):
        DataLoader(Shared(3), **{name: value})


def test_what_is_fixed_after_making():
    loader = DataLoader(Squares())
    assert isinstance(loader.sampler, SequentialSampler)
    with raises(
        ValueError, "DataLoader: batch_size cannot be set after the DataLoader was made; make a new one"
    ):
        loader.batch_size = 3
    with pytest.warns(UserWarning, match="multiprocessing_context has no effect, the workers are threads"):
        DataLoader(Squares(), multiprocessing_context="spawn")


def test_the_interpreter_ends_with_a_pass_left_open():
    import subprocess
    import sys

    script = (
        "from rushlight.utils.data import DataLoader\n"
        "batches = iter(DataLoader(range(10**6), 10, num_workers=3))\n"
        "print(next(batches).sum().item())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "45\n", "")
