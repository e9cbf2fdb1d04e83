"""Batches by budget on several cores, and hardware in trouble: memory that runs out, a GPU that vanishes, NaN."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.engine import Engine
from models.engines import Backend, Logits, padded
from models.engines.eager import Eager
from models.engines.run import Runner, batches
from models.engines.threads import one_core_each
from models.errors import BadLogits, DeviceMissing, TextTooLarge
from models.tokens import Encoded
from tests.models.engines.fakes import FakeNetwork

ROWS = [Encoded([101, 1_000 + n, *[7] * (n // 3), 102], [0] * (n // 3 + 3), False) for n in range(60)]


def engine(budget: int = 64, streams: int = 1, device: str = "cpu") -> Engine:
    return Engine(device, torch.float32, budget, "test", streams)


def eager(network: FakeNetwork) -> Eager:
    return Eager(network, engine())


def all_of(runner: Runner, rows: Sequence[Encoded] = ROWS) -> Logits:
    """The answers to rows in their order, each exactly once."""
    parts = sorted(runner.run(rows), key=lambda part: part[0])
    assert [start for start, _, _ in parts] == [0, *(end for _, end, _ in parts[:-1])]
    assert parts[-1][1] == len(rows)
    return np.concatenate([part[2][0] for part in parts]), np.concatenate([part[2][1] for part in parts])


@given(st.lists(st.integers(1, 128), min_size=1, max_size=80), st.integers(16, 512))
def test_batches_cover_all_within_the_budget(lengths: list[int], budget: int) -> None:
    lengths.sort()
    cut = list(batches(lengths, budget))
    assert [start for start, _ in cut] == [0, *(end for _, end in cut[:-1])]
    assert cut[-1][1] == len(lengths)
    assert all(end - start == 1 or (end - start) * lengths[end - 1] <= budget for start, end in cut)
    # Nothing is wasted: the next row would not have fitted.
    assert all(
        (b_start + 1 - a_start) * lengths[b_start] > budget for (a_start, _), (b_start, _) in itertools.pairwise(cut)
    )


def test_padding_keeps_every_token_and_marks_the_rest() -> None:
    ids, mask, segments = padded([Encoded([5, 6], [0, 1], False), Encoded([7, 8, 9], [0, 1, 1], False)], 4)
    assert ids.tolist() == [[5, 6, 0, 0], [7, 8, 9, 0]]
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert segments.tolist() == [[0, 1, 0, 0], [0, 1, 1, 0]]


def test_the_number_of_streams_changes_nothing_to_the_bit() -> None:
    one, three = (Runner(eager(FakeNetwork()), engine(64, streams), "m") for streams in (1, 3))
    np.testing.assert_array_equal(all_of(one)[0], all_of(three)[0])


def test_each_stream_has_one_core_and_others_keep_theirs() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_core_each(2) as pool:
            assert {pool.submit(torch.get_num_threads).result() for _ in range(4)} == {1}
        assert torch.get_num_threads() == 2
        other = list[int]()
        thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert other == [2]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("streams", [1, 2])
def test_what_is_no_number_is_refused(value: float, streams: int) -> None:
    with pytest.raises(BadLogits, match="NaN or infinity"):
        all_of(Runner(eager(FakeNetwork(value=value)), engine(64, streams), "m"))


@pytest.mark.parametrize("streams", [1, 3])
def test_out_of_memory_halves_the_budget_and_goes_on(streams: int) -> None:
    small, roomy = FakeNetwork(fits=64), FakeNetwork()
    struggling = Runner(eager(small), engine(2_048, streams), "m")
    np.testing.assert_array_equal(all_of(struggling)[0], all_of(Runner(eager(roomy), engine(2_048), "m"))[0])
    assert max(small.seen) <= 64 < max(roomy.seen)
    small.seen.clear()
    all_of(struggling)
    assert len(small.seen) > 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")])
def test_every_way_to_run_out_of_memory_is_known(error: Exception) -> None:
    network = FakeNetwork(fits=64, error=error)
    all_of(Runner(eager(network), engine(2_048), "m"))
    assert max(network.seen) <= 64


def test_a_text_that_never_fits_is_said() -> None:
    with pytest.raises(TextTooLarge, match="memory"):
        all_of(Runner(eager(FakeNetwork(fits=2)), engine(), "m"))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_another_error_of_the_network_is_not_taken_for_memory_or_a_lost_gpu(device: str) -> None:
    broken = eager(FakeNetwork(fits=0, error=RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        all_of(Runner(broken, engine(device=device), "m", lambda _: eager(FakeNetwork())))


class VanishingGpu:
    """Answers `left` batches, then nothing any more."""

    def __init__(self, left: int) -> None:
        self.left, self.inner, self.lock = left, eager(FakeNetwork()), threading.Lock()

    def logits(self, rows: Sequence[Encoded]) -> Logits:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise torch.AcceleratorError("CUDA error: unspecified launch failure\nmore lines")
        return self.inner.logits(rows)


@pytest.mark.parametrize("streams", [1, 2])
def test_a_gpu_that_vanishes_is_replaced_once_and_that_is_flagged(streams: int) -> None:
    spares = list[Engine]()

    def spare(chosen: Engine) -> Backend:
        spares.append(chosen)
        return eager(FakeNetwork())

    runner = Runner(VanishingGpu(3), engine(64, streams, "cuda"), "m", spare)
    np.testing.assert_array_equal(all_of(runner)[0], all_of(Runner(eager(FakeNetwork()), engine(64), "m"))[0])
    assert runner.fell_back
    assert runner.engine.device == "cpu"
    assert len(spares) == 1
    all_of(runner)
    assert len(spares) == 1


def test_a_gpu_that_vanishes_without_a_spare_is_said_in_one_line() -> None:
    runner = Runner(VanishingGpu(1), engine(64, device="cuda"), "m")
    with pytest.raises(DeviceMissing, match=r"unspecified launch failure.*device = cpu") as caught:
        all_of(runner)
    assert "\n" not in str(caught.value)
    assert not runner.fell_back
